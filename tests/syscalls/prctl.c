// Options of prctl.
#include "../check.h"
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	char name[16];
	CHECK(prctl(PR_SET_NAME, "a-rather-long-name-of-a-thread") == 0 && prctl(PR_GET_NAME, name) == 0 && strcmp(name, "a-rather-long-n") == 0);
	FAILS(prctl(PR_SET_NAME, 8), EFAULT);
	int value = -1;
	CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0 && prctl(PR_GET_PDEATHSIG, &value) == 0 && value == SIGUSR1);
	FAILS(prctl(PR_SET_PDEATHSIG, 999), EINVAL);
	CHECK(prctl(PR_SET_PDEATHSIG, 0) == 0);
	CHECK(prctl(PR_GET_DUMPABLE) == 1 && prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_GET_DUMPABLE) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
	CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0 && prctl(PR_GET_KEEPCAPS) == 1);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && prctl(PR_GET_CHILD_SUBREAPER, &value) == 0 && value == 1);
	CHECK(prctl(PR_SET_TIMERSLACK, 12345) == 0 && prctl(PR_GET_TIMERSLACK) == 12345);
	CHECK(prctl(PR_GET_SECCOMP) == 0 && prctl(PR_GET_SECUREBITS) >= 0);
	CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0 && prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	FAILS(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	FAILS(prctl(9999), EINVAL);
	FAILS(prctl(PR_GET_UNALIGN, &value), EINVAL);
	CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0) == 0);

	// The subreaper gets the orphan.
	int p[2];
	CHECK(pipe(p) == 0);
	pid_t child = fork();
	if (child == 0) {
		pid_t parent = getppid();
		if (fork() == 0) {
			while (getppid() != parent)
				usleep(1000);
			_exit(33);
		}
		_exit(0);
	}
	int status, codes = 0;
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(wait(&status) > 0 && WEXITSTATUS(status) == 33);
	(void)codes;

	// A child that goes with its parent.
	child = fork();
	if (child == 0) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			close(p[0]);
			CHECK(write(p[1], "x", 1) == 1);
			pause();
			_exit(1);
		}
		char c;
		CHECK(read(p[0], &c, 1) == 1);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);

	int persona = personality(0xffffffff);
	CHECK(persona >= 0 && personality(persona | ADDR_NO_RANDOMIZE) == persona && personality(0xffffffff) == (persona | ADDR_NO_RANDOMIZE));
	puts("done");
	return 0;
}
