// Default actions are real: what a parent sees of a child that a signal ends, stops or continues.
#include "../check.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int continued;
static void on_continue(int signo)
{
	(void)signo;
	continued = 1;
}

int main(void)
{
	// 32 and 33 too: the emulator keeps none for itself.
	for (int signo = 1; signo <= 64; signo++) {
		pid_t child = fork();
		if (child == 0) {
			struct rlimit none = { 0, 0 };
			setrlimit(RLIMIT_CORE, &none);
			kill(getpid(), signo);
			usleep(signo == SIGCHLD || signo == SIGURG || signo == SIGWINCH || signo == SIGCONT ? 0 : 3000000);
			_exit(7);
		}
		int status;
		CHECK(waitpid(child, &status, WUNTRACED) == child);
		if (WIFSTOPPED(status)) {
			printf("%d stopped by %d\n", signo, WSTOPSIG(status));
			kill(child, SIGKILL);
			CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
		} else if (WIFSIGNALED(status)) {
			printf("%d ended by %d\n", signo, WTERMSIG(status));
		} else {
			printf("%d exit %d\n", signo, WEXITSTATUS(status));
		}
	}
	// Stop and continue, with a handler for the latter.
	pid_t child = fork();
	if (child == 0) {
		signal(SIGCONT, on_continue);
		raise(SIGSTOP);
		_exit(continued ? 5 : 6);
	}
	int status;
	siginfo_t info;
	CHECK(waitid(P_PID, child, &info, WSTOPPED) == 0);
	CHECK(info.si_signo == SIGCHLD && info.si_code == CLD_STOPPED && info.si_status == SIGSTOP && info.si_pid == child);
	kill(child, SIGCONT);
	CHECK(waitid(P_PID, child, &info, WEXITED) == 0 && info.si_code == CLD_EXITED && info.si_status == 5);
	// abort.
	child = fork();
	if (child == 0) {
		struct rlimit none = { 0, 0 };
		setrlimit(RLIMIT_CORE, &none);
		abort();
	}
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && !WCOREDUMP(status));
	// SIGCHLD ignored: no zombies.
	signal(SIGCHLD, SIG_IGN);
	child = fork();
	if (child == 0)
		_exit(0);
	FAILS(waitpid(child, &status, 0), ECHILD);
	return 0;
}
