// Users, groups, capabilities, in a child when it changes anything.
#include "../check.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void drop(void)
{
	gid_t groups[3] = {11, 22, 33}, got[100];
	CHECK(setgroups(3, groups) == 0 && getgroups(100, got) == 3 && got[2] == 33);
	FAILS(getgroups(1, got), EINVAL);
	CHECK(getgroups(0, NULL) == 3);
	CHECK(setfsuid(5) == 0 && setfsuid(-1) == 5 && setfsgid(6) == (int)getegid());
	CHECK(setresgid(1, 2, 3) == 0 && setresuid(1001, 1002, 0) == 0);
	uid_t r, e, s;
	gid_t a, b, c;
	CHECK(getresuid(&r, &e, &s) == 0 && r == 1001 && e == 1002 && s == 0);
	CHECK(getresgid(&a, &b, &c) == 0 && a == 1 && b == 2 && c == 3);
	CHECK(getuid() == 1001 && geteuid() == 1002 && getgid() == 1 && getegid() == 2);
	FAILS(setgroups(1, groups), EPERM);
	CHECK(setreuid(-1, 0) == 0 && setuid(1234) == 0 && geteuid() == 1234);
	FAILS(setuid(0), EPERM);
	FAILS(setgid(99), EPERM);
	FAILS(chroot("/"), EPERM);
	FAILS(sethostname("x", 1), EPERM);
	_exit(0);
}

int main(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	CHECK(syscall(SYS_capget, &h, d) == 0);
	printf("effective %08x %08x\n", d[0].effective, d[1].effective);
	h.version = 5;
	FAILS(syscall(SYS_capget, &h, d), EINVAL);
	CHECK(h.version == _LINUX_CAPABILITY_VERSION_3);
	FAILS(syscall(SYS_capget, 8, d), EFAULT);
	uid_t r, e, s;
	CHECK(getresuid(&r, &e, &s) == 0 && r == getuid() && e == geteuid());
	FAILS(syscall(SYS_getresuid, 8, 8, 8), EFAULT);
	if (getuid() == 0) {
		pid_t child = fork();
		if (child == 0)
			drop();
		int status;
		CHECK(waitpid(child, &status, 0) == child && status == 0);
		child = fork();
		if (child == 0) {
			CHECK(prctl(PR_CAPBSET_READ, CAP_CHOWN) == 1 && prctl(PR_CAPBSET_DROP, CAP_CHOWN) == 0 && prctl(PR_CAPBSET_READ, CAP_CHOWN) == 0);
			d[0].effective &= ~(1 << CAP_KILL), d[0].permitted &= ~(1 << CAP_KILL);
			CHECK(syscall(SYS_capset, &h, d) == 0 && syscall(SYS_capget, &h, d) == 0 && !(d[0].permitted & 1 << CAP_KILL));
			d[0].permitted |= 1 << CAP_KILL;
			FAILS(syscall(SYS_capset, &h, d), EPERM);
			_exit(0);
		}
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
	CHECK(getpgrp() == getpgid(0) && getsid(0) == getsid(getpid()) && getppid() > 0);
	FAILS(getpgid(-5), ESRCH);
	FAILS(setpgid(-1, 0), EINVAL);
	puts("done");
	return 0;
}
