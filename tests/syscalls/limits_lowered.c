// RLIMIT_AS and RLIMIT_DATA below what is mapped already: nothing new can be mapped, and all that
// needs no new mapping works.
#include "../child.h"
#include "../made_code.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { FUNCTIONS = 20000, MB = 1 << 20 };

static char *code, buffer[1 << 20];

static void limit(int resource, rlim_t soft)
{
	struct rlimit new = { soft, RLIM_INFINITY };
	CHECK(setrlimit(resource, &new) == 0);
}

static void work(void)
{
	for (int i = 0; i < FUNCTIONS; i++)
		make_function(code + i * MADE_SIZE, i % 1024);
	long sum = 0;
	for (int i = 0; i < FUNCTIONS; i++)
		sum += call_made(code + i * MADE_SIZE);
	int fd = open("/proc/self/maps", O_RDONLY);
	CHECK(fd >= 0 && read(fd, buffer, sizeof buffer) > 0 && close(fd) == 0);
	// Many and long arguments for a program that is not there.
	static char *argv[3000];
	memset(buffer, 'x', sizeof buffer);
	for (int i = 0; i < 2999; i++) {
		argv[i] = buffer + i * 300;
		argv[i][299] = 0;
	}
	CHECK(execve("/no such program", argv, argv) == -1 && errno == ENOENT);
	for (int i = 0; i < 3; i++) {
		int status;
		pid_t child = fork();
		if (child == 0)
			_exit(4);
		CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 4);
		child = vfork();
		if (child == 0)
			_exit(5);
		CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
	}
	printf("sum %ld\n", sum);
	fflush(stdout);
}

static void no_address_space(void)
{
	limit(RLIMIT_AS, 0);
	CHECK(mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
	work();
}

static void no_data(void)
{
	limit(RLIMIT_DATA, 4096);
	CHECK(mmap(0, 4096, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
	work();
}

// The heap is bound by its own size, also with a limit of 0, which binds no other mapping.
static void heap(void)
{
	rlim_t limits[] = { 0, 4096, MB, 64 * MB };
	for (int i = 0; i < 4; i++) {
		limit(RLIMIT_DATA, limits[i]);
		long at = syscall(SYS_brk, 0);
		printf("%lu: %d", (long)limits[i], syscall(SYS_brk, at + 32 * MB) == at);
		syscall(SYS_brk, at);
		printf(" %d\n", syscall(SYS_brk, at + 4096) == at);
		syscall(SYS_brk, at);
	}
	fflush(stdout);
}

int main(void)
{
	code = mmap(0, FUNCTIONS * MADE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(code != MAP_FAILED);
	CHECK(mmap(0, 200 * MB, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	CHECK(status_of(no_address_space) == 0 && status_of(no_data) == 0 && status_of(heap) == 0);
}
