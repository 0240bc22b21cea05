// Reaching into other processes: pidfds, their memory, comparison of what is shared.
#include "../check.h"
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	static char secret[50] = "in the child";
	char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int p[2];
	CHECK(pipe(p) == 0);
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		strcpy(secret, "changed");
		int fd = open("/dev/null", O_RDWR);
		CHECK(dup2(fd, 90) == 90);
		shared[0] = 1;
		while (strcmp(secret, "written") != 0)
			usleep(1000);
		shared[0] = 2;
		pause();
		_exit(0);
	}
	while (shared[0] != 1)
		usleep(1000);
	char buffer[50];
	struct iovec local = {buffer, 50}, remote = {secret, 50}, bad = {(void *)8, 5};
	CHECK(process_vm_readv(child, &local, 1, &remote, 1, 0) == 50 && strcmp(buffer, "changed") == 0 && strcmp(secret, "in the child") == 0);
	FAILS(process_vm_readv(child, &local, 1, &bad, 1, 0), EFAULT);
	strcpy(buffer, "written");
	CHECK(process_vm_writev(child, &local, 1, &remote, 1, 0) == 50);
	while (shared[0] != 2)
		usleep(1000);
	int pidfd = syscall(SYS_pidfd_open, child, 0);
	CHECK(pidfd >= 0 && fcntl(pidfd, F_GETFD) == FD_CLOEXEC);
	int got = syscall(SYS_pidfd_getfd, pidfd, 90, 0);
	CHECK(got >= 0 && write(got, "x", 1) == 1);
	CHECK(syscall(SYS_kcmp, getpid(), child, KCMP_FILE, p[0], p[0]) == 0);
	CHECK(syscall(SYS_kcmp, getpid(), child, KCMP_FILE, got, 90) == 0 && syscall(SYS_kcmp, getpid(), child, KCMP_VM, 0, 0) != 0);
	FAILS(syscall(SYS_kcmp, getpid(), child, 99, 0, 0), EINVAL);
	struct rlimit l;
	CHECK(prlimit(child, RLIMIT_NOFILE, NULL, &l) == 0 && l.rlim_cur > 0 && getpgid(child) == getpgrp() && getsid(child) == getsid(0));
	CHECK(syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0);
	struct pollfd pfd = {pidfd, POLLIN, 0};
	CHECK(poll(&pfd, 1, 0) == 0 && syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) == 0 && poll(&pfd, 1, 10000) == 1);
	siginfo_t info;
	CHECK(waitid(P_PIDFD, pidfd, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == child && info.si_code == CLD_KILLED && info.si_status == SIGTERM);
	int status;
	CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGTERM);
	FAILS(syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0), ESRCH);
	FAILS(syscall(SYS_pidfd_open, child, 0), ESRCH);
	FAILS(syscall(SYS_pidfd_open, -1, 0), EINVAL);
	FAILS(process_vm_readv(child, &local, 1, &remote, 1, 0), ESRCH);
	puts("done");
	return 0;
}
