// The emulator's own memory is out of the guest's reach for calls that change mappings, however large the range asked for; the heap stops before what is in its way.
//@ guest-only: any
//@ glibc: musl refuses to move the break
//@ not-arm: the emulator lies beyond what 32-bit programs reach
#include "../check.h"
#include <sys/mman.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, FIXED = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED };
#define EMULATOR ((char *)0x700000000000)
#define USER_END 0x7ffffffff000
#define LAST ((char *)0x7fffffffe000)

static void *map(void *at, size_t size, int flags) { return mmap(at, size, PROT_READ | PROT_WRITE, flags, -1, 0); }

int main(void)
{
	size_t sizes[] = { PAGE, 2 << 20, 1ull << 40, 1ull << 46 };
	char *page = map(0, PAGE, MAP_PRIVATE | MAP_ANONYMOUS);
	int shared = shmget(IPC_PRIVATE, PAGE, 0600);
	CHECK(page != MAP_FAILED && shared >= 0);
	for (int i = 0; i < 4; i++) {
		// From the emulator on, and up to its first page.
		char *starts[] = { EMULATOR, EMULATOR + PAGE - sizes[i] };
		for (int s = 0; s < 2; s++) {
			char *at = starts[s];
			FAILS(map(at, sizes[i], FIXED), ENOMEM);
			int beyond = (uintptr_t)at + sizes[i] > USER_END;
			FAILS(map(at, sizes[i], MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE), beyond ? ENOMEM : EEXIST);
			// The larger ranges hold the program, too.
			if (i < 2) {
				CHECK(munmap(at, sizes[i]) == 0);
				FAILS(mprotect(at, sizes[i], PROT_NONE), ENOMEM);
				FAILS(madvise(at, sizes[i], MADV_DONTNEED), ENOMEM);
				FAILS(mremap(at, sizes[i], 2 * sizes[i], MREMAP_MAYMOVE), EFAULT);
			}
			FAILS(mremap(page, PAGE, sizes[i], MREMAP_MAYMOVE | MREMAP_FIXED, at), beyond ? EINVAL : ENOMEM);
		}
	}
	FAILS(shmat(shared, EMULATOR, SHM_REMAP), EINVAL);
	FAILS(shmdt(EMULATOR), EINVAL);
	CHECK(shmctl(shared, IPC_RMID, NULL) == 0);
	// A hint that cannot be followed is only a hint.
	char *hinted = map(EMULATOR, PAGE, MAP_PRIVATE | MAP_ANONYMOUS);
	CHECK(hinted != MAP_FAILED && (hinted < EMULATOR || hinted >= EMULATOR + (1ull << 40)) && munmap(hinted, PAGE) == 0);
	// Beyond user space, and sizes that wrap.
	FAILS(map((void *)0x800000000000, PAGE, FIXED), ENOMEM);
	FAILS(map((void *)-PAGE, 2 * PAGE, FIXED), ENOMEM);
	FAILS(map(0, -1ul, MAP_PRIVATE | MAP_ANONYMOUS), ENOMEM);
	FAILS(munmap((void *)0x800000000000, PAGE), EINVAL);
	FAILS(munmap(page, -PAGE), EINVAL);
	FAILS(mprotect(page, -PAGE, PROT_READ), ENOMEM);
	// The last page of user space can be had, if the stack is not there.
	void *last = map(LAST, PAGE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE);
	CHECK(last == LAST || errno == EEXIST);
	// What lies behind the stack is the kernel's own help for the time: without it the time goes on.
	struct timespec before, after;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &before) == 0);
	char *here = (char *)((uintptr_t)__builtin_frame_address(0) & -PAGE);
	(void)munmap(here + (64 << 20), LAST - (here + (64 << 20)));
	for (int i = 0; i < 100; i++)
		CHECK(clock_gettime(CLOCK_MONOTONIC, &after) == 0 && (after.tv_sec > before.tv_sec || (after.tv_sec == before.tv_sec && after.tv_nsec >= before.tv_nsec)));
	// The heap grows up to a mapping and no further, and goes back.
	char *start = sbrk(0);
	char *top = (char *)(((uintptr_t)start + PAGE - 1) & -PAGE);
	char *wall = map(top + 16 * PAGE, PAGE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE);
	CHECK(wall == top + 16 * PAGE);
	wall[0] = 77;
	CHECK(brk(top + 16 * PAGE) == 0);
	memset(start, 5, top + 16 * PAGE - start);
	FAILS(brk(top + 16 * PAGE + 1), ENOMEM);
	FAILS(brk((void *)-1), ENOMEM);
	FAILS(brk(EMULATOR + PAGE), ENOMEM);
	CHECK(sbrk(0) == top + 16 * PAGE && wall[0] == 77);
	CHECK(brk(start) == 0 && brk(top + PAGE) == 0 && top[0] == 0);
	puts("done");
	return 0;
}
