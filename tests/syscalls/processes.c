// fork, vfork, clone and their kin; waiting; sessions; exec from odd places.
//@ glibc: musl refuses some flags of clone itself
#include "../check.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

extern char **environ;
static char *self;
static int shared_value;

static int status_of(pid_t child)
{
	int status = -1;
	CHECK(child > 0);
	CHECK(waitpid(child, &status, 0) == child);
	return status;
}

static int exit_of(pid_t child)
{
	int status = status_of(child);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void forks(void)
{
	int value = 1, private_value = 1;
	int *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t parent = getpid();
	pid_t child = fork();
	if (child == 0) {
		CHECK(getppid() == parent && getpid() != parent && gettid() == getpid());
		private_value = 2;
		*map = value + 6;
		_exit(private_value);
	}
	CHECK(exit_of(child) == 2 && private_value == 1 && *map == 7);
	for (int i = 0; i < 100; i++) {
		child = fork();
		if (child == 0)
			_exit(i);
		CHECK(exit_of(child) == i);
	}
	// Grandchildren.
	child = fork();
	if (child == 0) {
		pid_t grandchild = fork();
		if (grandchild == 0)
			_exit(11);
		_exit(exit_of(grandchild) + 1);
	}
	CHECK(exit_of(child) == 12);
}

static void waits(void)
{
	int status;
	siginfo_t info;
	struct rusage usage;
	FAILS(waitpid(-1, &status, 0), ECHILD);
	pid_t child = fork();
	if (child == 0) {
		usleep(50000);
		_exit(21);
	}
	CHECK(waitpid(child, &status, WNOHANG) == 0);
	memset(&info, 0, sizeof info);
	CHECK(waitid(P_PID, child, &info, WEXITED | WNOWAIT) == 0);
	CHECK(info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == 21 && info.si_uid == getuid());
	CHECK(wait4(child, &status, 0, &usage) == child && WEXITSTATUS(status) == 21);
	CHECK(usage.ru_maxrss > 0);
	child = fork();
	if (child == 0) {
		volatile unsigned long n = 0;
		struct rusage u;
		do {
			for (int i = 0; i < 10000; i++)
				n++;
			getrusage(RUSAGE_SELF, &u);
		} while (u.ru_utime.tv_sec * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec < 20000);
		_exit(0);
	}
	CHECK(wait4(child, &status, 0, &usage) == child && usage.ru_utime.tv_usec + usage.ru_stime.tv_usec >= 15000);
	FAILS(waitpid(child, &status, 0), ECHILD);
	FAILS(waitid(99, 0, &info, WEXITED), EINVAL);

	// Process groups and sessions.
	child = fork();
	if (child == 0) {
		CHECK(setsid() == getpid() && getsid(0) == getpid() && getpgrp() == getpid());
		FAILS(setsid(), EPERM);
		_exit(0);
	}
	CHECK(exit_of(child) == 0);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	CHECK(setpgid(child, child) == 0 && getpgid(child) == child);
	CHECK(kill(-child, SIGTERM) == 0);
	CHECK(waitpid(-child, &status, 0) == child && WTERMSIG(status) == SIGTERM);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	child = fork();
	if (child == 0) {
		if (fork() == 0) {
			usleep(20000);
			_exit(31);
		}
		_exit(0);
	}
	CHECK(exit_of(child) == 0);
	CHECK(wait(&status) > 0 && WEXITSTATUS(status) == 31);
}

static volatile sig_atomic_t handled;
static void on_signal(int signo)
{
	handled = signo;
}

static void vforks(void)
{
	volatile int value = 1;
	signal(SIGUSR1, on_signal);
	pid_t child = vfork();
	if (child == 0) {
		value = 2; // Memory is the parent's.
		_exit(3);
	}
	CHECK(value == 2 && exit_of(child) == 3);
	// What the child does to its dispositions and mask is its own.
	child = vfork();
	if (child == 0) {
		signal(SIGUSR1, SIG_DFL);
		sigset_t all;
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		execl(self, self, "args", "a b", "", (char *)NULL);
		_exit(127);
	}
	CHECK(exit_of(child) == 42);
	raise(SIGUSR1);
	CHECK(handled == SIGUSR1);
	sigset_t mask;
	CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && !sigismember(&mask, SIGTERM));
	// A failed exec in the child leaves the parent whole.
	child = vfork();
	if (child == 0) {
		execl("/nonexistent", "x", (char *)NULL);
		_exit(errno == ENOENT ? 4 : 5);
	}
	CHECK(exit_of(child) == 4);
	for (int i = 0; i < 50; i++) {
		child = vfork();
		if (child == 0)
			_exit(i);
		CHECK(exit_of(child) == i);
	}
	child = vfork();
	if (child == 0)
		kill(getpid(), SIGKILL);
	CHECK(WTERMSIG(status_of(child)) == SIGKILL);
}

static int child_function(void *arg)
{
	shared_value += *(int *)arg;
	return 17;
}

static int child_exit_raw(void *arg)
{
	shared_value += *(int *)arg;
	syscall(SYS_exit, 18);
	return 0;
}

static void clones(void)
{
	char *stack = malloc(65536);
	int add = 5;
	shared_value = 1;
	// A copy, and shared memory without being a thread.
	CHECK(exit_of(clone(child_function, stack + 65536, SIGCHLD, &add)) == 17 && shared_value == 1);
	CHECK(exit_of(clone(child_function, stack + 65536, CLONE_VM | SIGCHLD, &add)) == 17 && shared_value == 6);
	CHECK(exit_of(clone(child_function, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, &add)) == 17 && shared_value == 11);
	CHECK(exit_of(clone(child_exit_raw, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, &add)) == 18 && shared_value == 16);
	CHECK(exit_of(clone(child_exit_raw, stack + 65536, CLONE_VM | SIGCHLD, &add)) == 18 && shared_value == 21);
	CHECK(exit_of(clone(child_function, stack + 65536, CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | SIGCHLD, &add)) == 17);
	int tid = 0, cleared = 1;
	pid_t child = clone(child_function, stack + 65536, CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, &add, &tid, NULL, &cleared);
	CHECK(exit_of(child) == 17 && tid == child && cleared == 0);
	int pidfd = -1;
	child = clone(child_function, stack + 65536, CLONE_PIDFD | SIGCHLD, &add, &pidfd);
	siginfo_t info;
	CHECK(child > 0 && pidfd >= 0 && waitid(P_PIDFD, pidfd, &info, WEXITED) == 0 && info.si_pid == child && info.si_status == 17);
	close(pidfd);
	FAILS(clone(child_function, stack + 65536, CLONE_SIGHAND | SIGCHLD, &add), EINVAL);
	FAILS(clone(child_function, stack + 65536, CLONE_THREAD | SIGCHLD, &add), EINVAL);

	// clone3, as a fork.
	struct clone_args args = { .exit_signal = SIGCHLD };
	child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (child == 0)
		_exit(8);
	if (child == -1 && errno == ENOSYS) {
		// Refused by a container's filter.
	} else {
		CHECK(exit_of(child) == 8);
		signal(SIGUSR2, on_signal);
		args.flags = CLONE_CLEAR_SIGHAND | CLONE_PIDFD;
		args.pidfd = (uint64_t)(uintptr_t)&pidfd;
		child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
		if (child == 0) {
			struct sigaction a;
			_exit(sigaction(SIGUSR2, NULL, &a) == 0 && a.sa_handler == SIG_DFL ? 9 : 10);
		}
		CHECK(exit_of(child) == 9 && pidfd >= 0);
		close(pidfd);
		FAILS(syscall(SYS_clone3, &args, 32), EINVAL);
		FAILS(syscall(SYS_clone3, &args, 5000), E2BIG);
		FAILS(syscall(SYS_clone3, 8, sizeof args), EFAULT);
		args.stack = 4096;
		FAILS(syscall(SYS_clone3, &args, sizeof args), EINVAL);
	}
	free(stack);
}

static void spawns(void)
{
	char *argv[] = { self, "args", "a b", "", NULL };
	pid_t child;
	CHECK(posix_spawn(&child, self, NULL, NULL, argv, environ) == 0 && exit_of(child) == 42);
	CHECK(posix_spawn(&child, "/nonexistent", NULL, NULL, argv, environ) == ENOENT);
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	int fd[2];
	CHECK(pipe(fd) == 0);
	posix_spawn_file_actions_adddup2(&actions, fd[1], 1);
	char *print[] = { self, "print", NULL };
	char buffer[100];
	posix_spawnattr_t attr;
	posix_spawnattr_init(&attr);
	sigset_t s;
	sigfillset(&s);
	posix_spawnattr_setsigdefault(&attr, &s);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	CHECK(posix_spawn(&child, self, &actions, &attr, print, environ) == 0 && exit_of(child) == 0);
	CHECK(read(fd[0], buffer, 100) == 8 && memcmp(buffer, "printed\n", 8) == 0);
	close(fd[0]), close(fd[1]);
	CHECK(system("exit 5") == 5 << 8);
	FILE *f = popen("echo hi", "r");
	CHECK(f && fgets(buffer, 100, f) && strcmp(buffer, "hi\n") == 0 && pclose(f) == 0);
}

static void *exec_in_thread(void *arg)
{
	execl(self, self, "args", "a b", "", (char *)NULL);
	return arg;
}

static void *spin(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void execs(void)
{
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		execl(self, self, "args", "a b", "", (char *)NULL);
		_exit(127);
	}
	CHECK(exit_of(child) == 42);
	// From a thread, with others alive: the process keeps its id.
	child = fork();
	if (child == 0) {
		pthread_t t;
		pthread_create(&t, NULL, spin, NULL);
		pthread_create(&t, NULL, exec_in_thread, NULL);
		for (;;)
			pause();
	}
	CHECK(exit_of(child) == 42);
	// Ignored signals and the mask are inherited, handlers are not.
	child = fork();
	if (child == 0) {
		signal(SIGUSR1, SIG_IGN);
		signal(SIGSEGV, SIG_IGN);
		signal(SIGUSR2, on_signal);
		signal(SIGBUS, on_signal);
		sigset_t s;
		sigemptyset(&s);
		sigaddset(&s, SIGTERM);
		sigaddset(&s, SIGILL);
		sigprocmask(SIG_SETMASK, &s, NULL);
		raise(SIGTERM);
		execl(self, self, "inherited", (char *)NULL);
		_exit(127);
	}
	CHECK(exit_of(child) == 43);
}

static int inherited(void)
{
	struct sigaction a;
	sigset_t s;
	CHECK(sigaction(SIGUSR1, NULL, &a) == 0 && a.sa_handler == SIG_IGN);
	CHECK(sigaction(SIGSEGV, NULL, &a) == 0 && a.sa_handler == SIG_IGN);
	CHECK(sigaction(SIGUSR2, NULL, &a) == 0 && a.sa_handler == SIG_DFL);
	CHECK(sigaction(SIGBUS, NULL, &a) == 0 && a.sa_handler == SIG_DFL);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &s) == 0 && sigismember(&s, SIGTERM) && sigismember(&s, SIGILL) && !sigismember(&s, SIGHUP));
	CHECK(sigpending(&s) == 0 && sigismember(&s, SIGTERM));
	return 43;
}

int main(int argc, char **argv)
{
	self = getenv("TEST_SELF") ? getenv("TEST_SELF") : argv[0];
	if (argc == 4 && strcmp(argv[1], "args") == 0)
		return strcmp(argv[2], "a b") == 0 && argv[3][0] == 0 ? 42 : 41;
	if (argc == 2 && strcmp(argv[1], "print") == 0)
		return puts("printed") < 0;
	if (argc == 2 && strcmp(argv[1], "inherited") == 0)
		return inherited();
	forks();
	puts("fork");
	waits();
	puts("wait");
	clones();
	puts("clone");
	vforks();
	puts("vfork");
	spawns();
	puts("spawn");
	execs();
	puts("exec");
	return 0;
}
