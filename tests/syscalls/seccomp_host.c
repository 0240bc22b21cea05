// What a filter means for the rest of the system: native programs that are started under it, /proc, and a filter that allows nearly nothing.
#include "../child.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ON(nr, action) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, action)

static void install(struct sock_filter *f, size_t n)
{
	struct sock_fprog prog = { n, f };
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
}

// A number of /proc/self/status.
static int status_line(const char *name)
{
	char line[256];
	int value = -1;
	FILE *f = fopen("/proc/self/status", "r");
	CHECK(f != NULL);
	while (fgets(line, sizeof line, f))
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			value = atoi(line + strlen(name) + 1);
	fclose(f);
	return value;
}

static void refuses_folders(void)
{
	struct sock_filter f[] = {
		LOAD(nr), ON(SYS_mkdirat, SECCOMP_RET_ERRNO | 95), ON(SYS_symlinkat, SECCOMP_RET_ERRNO | 96),
#ifdef SYS_mkdir
		ON(SYS_mkdir, SECCOMP_RET_ERRNO | 95), ON(SYS_symlink, SECCOMP_RET_ERRNO | 96),
#endif
		// By argument: this is not for the host's kernel.
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_linkat, 0, 3), LOAD(args[4]), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 97), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	int filters = status_line("Seccomp_filters");
	install(f, sizeof f / sizeof *f);
	CHECK(status_line("Seccomp") == 2 && status_line("Seccomp_filters") == filters + 1);
	FAILS(mkdir("folder", 0755), 95);
	FAILS(symlink("a", "b"), 96);
	FAILS(linkat(-1, "a", -1, "b", 7), 97);
	FAILS(linkat(-1, "a", -1, "b", 0), EBADF);
	// The host's own programs.
	CHECK(system("/bin/mkdir folder 2>/dev/null") != 0 && access("folder", F_OK) != 0);
	CHECK(system("/bin/ln -s a b 2>/dev/null") != 0 && system("/bin/ln file c") == 0 && access("c", F_OK) == 0);
}

static volatile int signals;
static void on_timer(int signo)
{
	(void)signo;
	signals++;
}

// Each call reaches code that has not run yet.
static int __attribute__((noinline)) step(int n)
{
	return n < 2 ? 1 : step(n - 1) + step(n - 2);
}

static void *calculates(void *arg)
{
	return (void *)(intptr_t)step((int)(intptr_t)arg);
}

static void nearly_nothing(int otherwise)
{
	struct sock_filter f[] = {
		LOAD(nr), ON(SYS_write, SECCOMP_RET_ALLOW), ON(SYS_exit_group, SECCOMP_RET_ALLOW), ON(SYS_exit, SECCOMP_RET_ALLOW),
		ON(SYS_rt_sigreturn, SECCOMP_RET_ALLOW), ON(SYS_getpid, SECCOMP_RET_ALLOW),
#ifdef SYS_sigreturn
		ON(SYS_sigreturn, SECCOMP_RET_ALLOW),
#endif
		BPF_STMT(BPF_RET | BPF_K, otherwise),
	};
	struct sigaction sa = { .sa_handler = on_timer };
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } };
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
	pid_t self = getpid();
	install(f, sizeof f / sizeof *f);
	for (int n = 0; signals < 20; n++)
		CHECK(calculates((void *)(intptr_t)(n % 20)) != NULL && syscall(SYS_getpid) == self);
	CHECK(write(1, "few\n", 4) == 4);
}

static void errors_otherwise(void)
{
	nearly_nothing(SECCOMP_RET_ERRNO | 71);
	FAILS(syscall(SYS_getppid), 71);
	FAILS(syscall(SYS_sync), 71);
	syscall(SYS_exit_group, 5);
}

static void killed_otherwise(void)
{
	nearly_nothing(SECCOMP_RET_KILL_PROCESS);
	syscall(SYS_sync);
}

// Longer than what fits in one filter of the host.
static void is_long(void)
{
	static struct sock_filter f[1502];
	f[0] = (struct sock_filter)LOAD(nr);
	for (int i = 1; i <= 1498; i += 2) {
		struct sock_filter pair[] = { ON(100000 + 977 * i, SECCOMP_RET_ERRNO | i) };
		memcpy(f + i, pair, sizeof pair);
	}
	f[1499] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1);
	f[1500] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 42);
	f[1501] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	install(f, 1502);
	execl(getenv("TEST_SELF"), "name", "executed", NULL);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		FAILS(syscall(SYS_getppid), 42);
		FAILS(syscall(100000 + 977 * 1497), 1497);
		return 6;
	}
	fclose(fopen("file", "w"));
	int status = status_of(refuses_folders);
	printf("folders %x\n", status);
	fflush(stdout);
	printf("errors %x\n", status_of(errors_otherwise));
	fflush(stdout);
	printf("killed %x\n", status_of(killed_otherwise) & ~0x80);
	fflush(stdout);
	printf("long %x\n", status_of(is_long));
	return 0;
}
