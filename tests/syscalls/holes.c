// Calls about a range with a hole in it, where nothing is mapped: what lies before and behind the hole, and what the call says. Under the emulator also around the
// emulator's own memory, which is a hole to the guest.
//@ not-arm: the emulator lies beyond what 32-bit programs reach
#include "../check.h"
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

enum { PAGE = 4096 };
static int ends[2];

static char *map(char *at)
{
	char *got = mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(got == at);
	memset(at, 7, PAGE);
	return at;
}

static int readable(const char *at)
{
	char byte;
	return write(ends[1], at, 1) == 1 && read(ends[0], &byte, 1) == 1;
}

static void around(char *hole, size_t size)
{
	char *before = map(hole - PAGE), *behind = map(hole + size);
	size_t all = size + 2 * PAGE;
	unsigned char resident[2 * PAGE] = { 0 };
	// These end at the hole.
	FAILS(mprotect(before, all, PROT_NONE), ENOMEM);
	CHECK(!readable(before) && readable(behind));
	FAILS(mprotect(hole, size + PAGE, PROT_NONE), ENOMEM);
	CHECK(readable(behind) && mprotect(before, PAGE, PROT_READ | PROT_WRITE) == 0);
	FAILS(mincore(before, all, resident), ENOMEM);
	FAILS(mincore(hole, size, resident), ENOMEM);
	FAILS(mlock(before, all), ENOMEM);
	FAILS(mlock(hole, PAGE), ENOMEM);
	FAILS(munlock(before, all), ENOMEM);
	FAILS(mlock2(before, all, 1), ENOMEM);
	CHECK(munlock(before, PAGE) == 0 && munlock(behind, PAGE) == 0);
	// These go on behind it.
	FAILS(msync(before, all, MS_ASYNC), ENOMEM);
	FAILS(msync(before, all, MS_ASYNC | MS_SYNC), EINVAL);
	FAILS(madvise(before, all, MADV_DONTNEED), ENOMEM);
	CHECK(before[0] == 0 && behind[0] == 0);
	FAILS(madvise(before, all, 12345), EINVAL);
	// Other arguments are looked at first.
	FAILS(msync(hole + 1, size, MS_ASYNC), EINVAL);
	FAILS(msync(hole, size, 0x100), EINVAL);
	FAILS(mincore(hole + 1, size, resident), EINVAL);
	FAILS(mlock2(hole, size, 0x100), EINVAL);
	FAILS(madvise(hole, size, MADV_WILLNEED), ENOMEM);
	// A mapping that reaches over the hole cannot be moved; what is cut off may hold anything.
	before[0] = 5;
	FAILS(mremap(before, all, all + PAGE, MREMAP_MAYMOVE), EFAULT);
	FAILS(mremap(hole, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
	FAILS(mremap(before, all, 0, MREMAP_MAYMOVE), EINVAL);
	CHECK(mremap(before, all, PAGE, 0) == before && before[0] == 5 && map(behind) == behind);
	// Nothing of all that is in the way of unmapping.
	CHECK(munmap(hole, size) == 0 && readable(before) && readable(behind));
	CHECK(munmap(before, all) == 0 && !readable(before) && !readable(behind));
	CHECK(munmap(before, all) == 0);
}

int main(void)
{
	CHECK(pipe(ends) == 0);
	char *free = mmap(0, 18 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(free != MAP_FAILED && munmap(free, 18 * PAGE) == 0);
	around(free + PAGE, PAGE);
	around(free + PAGE, 16 * PAGE);
#ifndef __x86_64__
	around((char *)0x700000000000, 1ul << 40);
#endif
	// Whoever unmaps nearly everything, its code and its stack among it, ends by that.
	fflush(stdout);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		munmap((void *)0x10000, 0x7f0000000000);
		_exit(1);
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	puts("done");
	return 0;
}
