// A signal that reaches a forked child before it has run an instruction of its own is delivered, and blocks nothing afterwards.
#include "../check.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t got;

static void on_signal(int signo) { got |= signo == SIGUSR1 ? 1 : 2; }

int main(void) {
	struct sigaction action = {.sa_handler = on_signal};
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGUSR2, &action, NULL) == 0);
	for (int i = 0; i < 300; i++) {
		pid_t pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			// A lost signal leaves these loops to the alarm.
			alarm(10);
			while (!(got & 1))
				usleep(100);
			kill(getpid(), SIGUSR2);
			while (!(got & 2))
				usleep(100);
			_exit(7);
		}
		CHECK(kill(pid, SIGUSR1) == 0);
		int status;
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	}
	puts("ok");
}
