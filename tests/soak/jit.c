// Code that a program writes: in new mappings, in reused ones, in pages that change between writable and executable, and through a second
// mapping of the same memory.
#include "soak.h"
#include <sys/mman.h>

enum { FUNCTIONS = 1000, ROOM = 32, SIZE = FUNCTIONS * ROOM };
typedef int (*function)(void);

// A function that returns (value + 1) * 2, for values of ten bits.
static void emit(unsigned char *to, unsigned value)
{
#ifdef __aarch64__
	uint32_t code[] = { 0x52800000 | value << 5, 0x11000400, 0x0b000000, 0xd65f03c0 };
#elif defined __riscv
	uint32_t code[] = { 0x00000513 | value << 20, 0x0015051b, 0x00a5053b, 0x00008067 };
#else
	unsigned char code[] = { 0xb8, value, value >> 8, 0, 0, 0xff, 0xc0, 0x01, 0xc0, 0xc3 };
#endif
	memcpy(to, code, sizeof code);
}

// Fills the memory at `to` with functions and calls them at `at`.
static uint64_t functions(unsigned char *to, unsigned char *at, int protect, uint64_t hash)
{
	for (int i = 0; i < FUNCTIONS; i++)
		emit(to + i * ROOM, (hash >> (i & 31)) + i & 0x3ff);
	if (protect)
		CHECK(mprotect(to, SIZE, PROT_READ | PROT_EXEC) == 0);
	__builtin___clear_cache((char *)at, (char *)at + SIZE);
	uint64_t sum = hash;
	for (int i = 0; i < FUNCTIONS; i++) {
		int got = ((function)(at + i * ROOM))();
		CHECK(got == (int)(((hash >> (i & 31)) + i & 0x3ff) + 1) * 2);
		sum = mix(sum, got);
	}
	if (protect)
		CHECK(mprotect(to, SIZE, PROT_READ | PROT_WRITE) == 0);
	return sum;
}

static unsigned char *map(int protection, int flags, int file)
{
	unsigned char *p = mmap(0, SIZE, protection, flags, file, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

static uint64_t one_round(unsigned seed)
{
	static unsigned char *kept, *changing, *written, *executed;
	if (!kept) {
		kept = map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		changing = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		int file = memfd_create("code", 0);
		CHECK(ftruncate(file, SIZE) == 0);
		written = map(PROT_READ | PROT_WRITE, MAP_SHARED, file);
		executed = map(PROT_READ | PROT_EXEC, MAP_SHARED, file);
		close(file);
	}
	uint64_t hash = mix(1, seed);
	for (int i = 0; i < 10; i++) {
		unsigned char *fresh = map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		hash = functions(fresh, fresh, 0, hash);
		CHECK(munmap(fresh, SIZE) == 0);
		hash = functions(kept, kept, 0, hash);
		hash = functions(changing, changing, 1, hash);
		hash = functions(written, executed, 0, hash);
	}
	return hash;
}
