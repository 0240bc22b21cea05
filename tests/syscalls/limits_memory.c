// RLIMIT_AS and RLIMIT_DATA bind by what the program itself has mapped, read back as they were set,
// and are handed on as they are.
#include "../child.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MB = 1 << 20 };

static void show(const char *when)
{
	struct rlimit as, data;
	CHECK(getrlimit(RLIMIT_AS, &as) == 0 && getrlimit(RLIMIT_DATA, &data) == 0);
	printf("%s: AS %ld %ld, DATA %ld %ld\n", when, (long)as.rlim_cur, (long)as.rlim_max, (long)data.rlim_cur, (long)data.rlim_max);
	FILE *f = fopen("/proc/self/limits", "r");
	char line[200], soft[30], hard[30], want[2][30];
	int seen = 0;
	while (fgets(line, sizeof line, f)) {
		struct rlimit *l = strncmp(line, "Max address space ", 18) == 0 ? &as : strncmp(line, "Max data size ", 14) == 0 ? &data : NULL;
		if (!l)
			continue;
		rlim_t values[] = { l->rlim_cur, l->rlim_max };
		for (int i = 0; i < 2; i++)
			values[i] == RLIM_INFINITY ? (void)strcpy(want[i], "unlimited") : (void)sprintf(want[i], "%lu", (long)values[i]);
		CHECK(sscanf(line + 26, "%29s %29s", soft, hard) == 2 && strcmp(soft, want[0]) == 0 && strcmp(hard, want[1]) == 0);
		seen++;
	}
	fclose(f);
	CHECK(seen == 2);
	fflush(stdout);
}

// Bytes of all mappings, or of the private writable ones.
static long used(int resource)
{
	unsigned long size, shared, text, resident, lib, data;
	FILE *f = fopen("/proc/self/statm", "r");
	CHECK(fscanf(f, "%lu %lu %lu %lu %lu %lu", &size, &resident, &shared, &text, &lib, &data) == 6 && fclose(f) == 0);
	return (resource == RLIMIT_AS ? size : data) * 4096;
}

static void limit(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit new = { soft, hard };
	CHECK(setrlimit(resource, &new) == 0);
}

static int map(long size, int prot) { return mmap(0, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED; }

__attribute__((noinline)) static int deep(long bytes)
{
	volatile char frame[4096];
	frame[0] = 1;
	return bytes <= 0 ? frame[0] : deep(bytes - 4096) + frame[0];
}

static void *thread(void *unused) { return unused; }

// Room for 10 MB: what fits and what does not.
static void binds(int resource)
{
	limit(resource, used(resource) + 10 * MB, RLIM_INFINITY);
	printf("resource %d: 5 MB %d", resource, map(5 * MB, PROT_READ | PROT_WRITE));
	printf(", 6 MB %d", map(6 * MB, PROT_READ | PROT_WRITE));
	printf(", 6 MB of no access %d", map(6 * MB, PROT_NONE));
	char *at = mmap(0, MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(at != MAP_FAILED);
	printf(", 1 MB grown to 6 %d, to 2 %d", mremap(at, MB, 6 * MB, MREMAP_MAYMOVE) != MAP_FAILED, (at = mremap(at, MB, 2 * MB, MREMAP_MAYMOVE)) != MAP_FAILED);
	at = mmap(0, 2 * MB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	printf(", 2 MB read-only %d made writable %d", at != MAP_FAILED, at == MAP_FAILED || mprotect(at, 2 * MB, PROT_READ | PROT_WRITE) == 0);
	while (map(65536, PROT_READ | PROT_WRITE))
		;
	char *heap = sbrk(0);
	printf(", heap %d\n", brk(heap + MB) == 0);
	fflush(stdout);
}

static void stack_binds(int resource)
{
	limit(resource, used(resource) + MB, RLIM_INFINITY);
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(deep(4 * MB) != MB + 1 ? 0 : 1);
	CHECK(waitpid(child, &status, 0) == child);
	printf("4 MB of stack with room for one by resource %d: signal %d\n", resource, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	fflush(stdout);
}

// What the implementation needs for itself is not taken from what the program may have.
static void threads_after(int resource)
{
	pthread_attr_t attr;
	CHECK(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, 128 << 10) == 0);
	limit(resource, used(resource) + 24 * MB, RLIM_INFINITY);
	pthread_t threads[32];
	for (int i = 0; i < 32; i++)
		CHECK(pthread_create(&threads[i], &attr, thread, NULL) == 0);
	for (int i = 0; i < 32; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void in_child(void (*run)(int), int argument)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		run(argument);
		exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(status == 0);
}

static void handed_on(int lower)
{
	char *self = getenv("TEST_SELF"), *arguments[] = { self, "exec", NULL };
	// Both limits, which without root's rights are not to be raised again.
	if (geteuid() == 0)
		CHECK(setgid(1000) == 0 && setuid(1000) == 0);
	limit(RLIMIT_AS, 123456789, 234567890);
	limit(RLIMIT_DATA, lower ? 60000002 : 50000001, 60000002);
	show("set");
	struct rlimit more = { 123456789, 234567891 }, wrong = { 2, 1 };
	FAILS(setrlimit(RLIMIT_AS, &more), EPERM);
	FAILS(setrlimit(RLIMIT_DATA, &wrong), EINVAL);
	FAILS(execv("/nonexistent", arguments), ENOENT);
	show("after an execve that failed");
	if (fork() == 0)
		show("forked"), exit(0);
	wait(NULL);
	if (fork() == 0)
		execv(self, arguments), exit(1);
	wait(NULL);
	// A program of the host has them as they are.
	CHECK(system("ulimit -v; ulimit -Hv; ulimit -d; ulimit -Hd") == 0);
	show("at the end");
}

static void of_another(int unused)
{
	(void)unused;
	int pipe_fd[2];
	CHECK(pipe(pipe_fd) == 0);
	pid_t child = fork();
	if (child == 0) {
		char byte;
		limit(RLIMIT_AS, 200 * MB + 1, 300 * MB);
		CHECK(read(pipe_fd[0], &byte, 1) == 1);
		show("set by another");
		exit(0);
	}
	struct rlimit old = { 0 }, new = { 100 * MB + 5, 150 * MB };
	for (int i = 0; i < 5000 && old.rlim_cur != 200 * MB + 1; i++, usleep(1000))
		CHECK(prlimit(child, RLIMIT_AS, NULL, &old) == 0);
	printf("another's: %ld %ld\n", (long)old.rlim_cur, (long)old.rlim_max);
	CHECK(prlimit(child, RLIMIT_AS, &new, &old) == 0 && old.rlim_cur == 200 * MB + 1 && old.rlim_max == 300 * MB);
	fflush(stdout);
	CHECK(write(pipe_fd[1], "x", 1) == 1);
	wait(NULL);
}

int main(int count, char **arguments)
{
	if (count > 1) {
		show(arguments[1]);
		return 0;
	}
	show("start");
	for (int i = 0; i < 2; i++) {
		int resource = (int[]){ RLIMIT_AS, RLIMIT_DATA }[i];
		in_child(binds, resource);
		in_child(stack_binds, resource);
		in_child(threads_after, resource);
	}
	in_child(handed_on, 0);
	in_child(handed_on, 1);
	in_child(of_another, 0);
	return 0;
}
