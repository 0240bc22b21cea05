// seccomp filters and variables across execve where rights are gained, are not gained although AT_SECURE is set, or could be: set-user-ID, set-group-ID and file
// capabilities, with and without no_new_privs, from a user and from root with another effective user. Runs as root of a user namespace in a folder without nosuid.
// Argument: "gains" if the handler takes credentials from programs.
#include "../child.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

extern char **environ;
static int gains;

static void filter(int errno_of_getppid)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errno_of_getppid),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof f / sizeof *f, f };
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
}

// What a started program finds. With a further argument it becomes root and starts that.
static int report(char **argv)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2];
	CHECK(syscall(SYS_capget, &head, caps) == 0);
	int leftovers = 0;
	for (char **e = environ; *e; e++)
		leftovers += strncmp(*e, "QEMU_", 5) == 0 || strncmp(*e, "ANYARCH_", 8) == 0;
	errno = 0;
	int filtered = syscall(SYS_getppid) == -1 ? errno : 0, secure = getauxval(AT_SECURE);
	printf("%s: filter %d mode %d euid %d egid %d raw %d", argv[2], filtered, prctl(PR_GET_SECCOMP), geteuid(), getegid(),
	       caps[0].effective >> CAP_NET_RAW & 1);
	// Without its flag C a handler's program gains nothing, and AT_SECURE tells of the emulator's file.
	if (gains)
		printf(" secure %d", secure);
	printf("\n");
	// A native program cares for none of them.
#ifndef __x86_64__
	CHECK(!secure || leftovers == 0);
#endif
	fflush(stdout);
	if (argv[3]) {
		if (geteuid() == 0)
			CHECK(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
		char *next[] = { "name", "report", argv[3], NULL, NULL };
		execve("plain", next, environ);
		_exit(99);
	}
	return 0;
}

static void copy(const char *to, int mode, gid_t group)
{
	static char bytes[1 << 16];
	int in = open(getenv("TEST_SELF"), O_RDONLY), out = open(to, O_CREAT | O_EXCL | O_WRONLY, 0700);
	CHECK(in >= 0 && out >= 0);
	for (ssize_t n; (n = read(in, bytes, sizeof bytes)) > 0;)
		CHECK(write(out, bytes, n) == n);
	CHECK(fchown(out, 0, group) == 0 && fchmod(out, mode) == 0 && close(in) == 0 && close(out) == 0);
}

static struct {
	const char *program, *environment;
	int no_new_privs, user, filters;
} now;

static void start(void)
{
	char label[100];
	snprintf(label, sizeof label, "%s %s nnp %d user %d filters %d", now.program, now.environment, now.no_new_privs, now.user, now.filters);
	if (now.no_new_privs)
		CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	for (int i = 0; i < now.filters; i++)
		filter(77 + i);
	if (now.user) {
		gid_t none;
		CHECK(setgroups(0, &none) == 0 && setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
	} else
		// Root all the same, but effectively somebody else.
		CHECK(setresuid(0, 1000, 0) == 0);
	char *argv[] = { "name", "report", label, "child of it", NULL }, *none[] = { NULL },
	     *forged[] = { "ANYARCH_SECCOMP=0006000000050001", "QEMU_STRACE=", "QEMU_LD_PREFIX=/nonexistent", "ANYARCH_CLOSE=1", "QEMU_SET_ENV=QEMU_X=1",
			   "ANYARCH_HANDED=riscv64:0", NULL };
	execve(now.program, argv, strcmp(now.environment, "forged") == 0 ? forged : none);
	_exit(98);
}

int main(int argc, char **argv)
{
	gains = access("gains", F_OK) == 0;
	if (argc > 2)
		return report(argv);
	if (argc > 1)
		gains = close(open("gains", O_CREAT | O_WRONLY, 0644)) == 0;
	umask(0);
	CHECK(chmod(".", 0755) == 0);
	copy("plain", 0755, 0);
	copy("suid", 04755, 0);
	copy("sgid", 02755, 2000);
	copy("caps", 0755, 0);
	struct vfs_cap_data caps = { VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, { { 1 << CAP_NET_RAW, 0 } } };
	CHECK(setxattr("caps", "security.capability", &caps, sizeof caps, 0) == 0);
	const char *programs[] = { "plain", "suid", "sgid", "caps" };
	for (int p = 0; p < 4; p++)
		for (now.no_new_privs = 0; now.no_new_privs < 2; now.no_new_privs++)
			for (now.user = 0; now.user < 2; now.user++)
				for (now.filters = 0; now.filters < 3; now.filters++) {
					now.program = programs[p];
					// A program that gains nothing may obey its caller's variables.
					int secure = p > 0 && !now.no_new_privs;
					now.environment = secure && now.filters != 1 ? "forged" : "cleared";
					// A handler without C starts no program with more rights.
					if (!gains && (p == 3 || (p > 0 && !now.no_new_privs)))
						continue;
					fflush(stdout);
					int status = status_of(start);
					CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
				}
	puts("done");
	return 0;
}
