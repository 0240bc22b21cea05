// seccomp: filters see the architecture's own numbers; what each action does; inheritance.
#include "../child.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#elif defined __riscv
#define ARCH AUDIT_ARCH_RISCV64
#elif defined __arm__
#define ARCH AUDIT_ARCH_ARM
#else
#define ARCH AUDIT_ARCH_X86_64
#endif
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ON(nr, action) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, action)

static int install(unsigned flags)
{
	struct sock_filter f[] = {
		LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		LOAD(nr), ON(SYS_getppid, SECCOMP_RET_ERRNO | 77), ON(SYS_getpgid, SECCOMP_RET_TRAP | 55), ON(SYS_getsid, SECCOMP_RET_KILL_PROCESS),
		ON(SYS_sync, SECCOMP_RET_ERRNO), ON(9999, SECCOMP_RET_ERRNO | 5),
		// By argument: dup of descriptor 5 only.
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup, 0, 3), LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 99), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof f / sizeof *f, f};
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static volatile int trapped;
static void on_sys(int signo, siginfo_t *info, void *context)
{
	(void)context;
	trapped = signo == SIGSYS && info->si_code == 1 && info->si_errno == 55 && info->si_syscall == SYS_getpgid && info->si_arch == ARCH;
}

static void *thread(void *synced)
{
	long r = syscall(SYS_getppid);
	CHECK(synced ? r == -1 && errno == 77 : r > 0);
	return NULL;
}

static volatile int go;
static void *waiting(void *arg)
{
	while (!go)
		usleep(1000);
	return thread(arg);
}

static void calls_getsid(void)
{
	getsid(0);
}

static void strict(void)
{
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	CHECK(write(1, "strict\n", 7) == 7);
	syscall(SYS_exit, 4);
}

static void strict_violation(void)
{
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	syscall(SYS_getpid);
}

// A program started by execve has the filters, and an environment without a trace of how they came there.
static int executed(void)
{
	FAILS(syscall(SYS_getppid), 77);
	FAILS(syscall(SYS_dup, 5), 99);
	CHECK(prctl(PR_GET_SECCOMP) == 2 && syscall(SYS_sync) == 0);
	extern char **environ;
	for (char **e = environ; *e; e++)
		CHECK(strncmp(*e, "ANYARCH_SECCOMP", 15) != 0);
	CHECK(strcmp(getenv("TEST_MARK"), "here") == 0);
	printf("executed %d\n", status_of(calls_getsid));
	return 3;
}

// A copy of this program that no handler of foreign programs knows on the machine: a byte of the header differs that means nothing.
static void copy_self(void)
{
	static char bytes[1 << 24];
	FILE *from = fopen(getenv("TEST_SELF"), "r"), *to = fopen("copy", "w");
	CHECK(from != NULL && to != NULL);
	size_t size = fread(bytes, 1, sizeof bytes, from);
	CHECK(size > 1000 && size < sizeof bytes);
	bytes[9] = 1;
	CHECK(fwrite(bytes, 1, size, to) == size && fchmod(fileno(to), 0755) == 0);
	CHECK(fclose(from) == 0 && fclose(to) == 0);
}

static void executes(void)
{
	setenv("TEST_MARK", "here", 1);
	execl("./copy", "again", "once", NULL);
}

static void executes_without_environment(void)
{
	char *none[] = { "TEST_MARK=here", NULL };
	execle("./copy", "again", "last", NULL, none);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		int status = strcmp(argv[1], "once") == 0 ? status_of(executes_without_environment) : 0;
		CHECK(status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 3));
		return executed();
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	uint32_t action = SECCOMP_RET_ERRNO;
	CHECK(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0);
	action = 0x12340000;
	FAILS(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), EOPNOTSUPP);
	FAILS(syscall(SYS_seccomp, 99, 0, NULL), EINVAL);
	FAILS(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 8), EFAULT);
	int status = status_of(strict);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
	status = status_of(strict_violation);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	copy_self();
	pthread_t other, after;
	CHECK(pthread_create(&other, NULL, waiting, "synced") == 0);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	// Looked at once the caller may have a filter: root, or without new rights.
	struct sock_filter bad = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4);
	struct sock_fprog prog = {1, &bad};
	FAILS(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog), EINVAL);
	CHECK(install(SECCOMP_FILTER_FLAG_TSYNC) == 0 && prctl(PR_GET_SECCOMP) == 2);
	FAILS(syscall(SYS_getppid), 77);
	CHECK(syscall(SYS_sync) == 0);
	FAILS(syscall(9999), 5);
	FAILS(syscall(SYS_dup, 5), 99);
	CHECK(syscall(SYS_dup, 1) > 0);
	struct sigaction sa = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
	sigaction(SIGSYS, &sa, NULL);
	syscall(SYS_getpgid, 0);
	CHECK(trapped);
	go = 1;
	CHECK(pthread_join(other, NULL) == 0 && pthread_create(&after, NULL, thread, "inherited") == 0 && pthread_join(after, NULL) == 0);
	status = status_of(calls_getsid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	status = status_of(executes);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	puts("done");
	return 0;
}
