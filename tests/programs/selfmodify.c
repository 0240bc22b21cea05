// Code that writes code: patched in place, through a second mapping, after mprotect, after munmap and mmap, from another thread.
//@ armel-flags: -march=armv7-a
#include "../check.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

// A function that returns the constant n.
static size_t constant(uint8_t *p, uint16_t n)
{
#ifdef __aarch64__
	uint32_t code[] = { 0x52800000 | n << 5, 0xd65f03c0 };
	memcpy(p, code, 8);
	return 8;
#elif defined __riscv
	// lui a0, addiw a0, ret.
	uint32_t code[] = { 0x00000537 | ((n + 0x800) >> 12) << 12, 0x0005051b | (uint32_t)n << 20, 0x00008067 };
	memcpy(p, code, 12);
	return 12;
#elif defined __arm__
	// movw r0, #n; bx lr.
	uint32_t code[] = { 0xe3000000 | ((uint32_t)n & 0xf000) << 4 | (n & 0xfff), 0xe12fff1e };
	memcpy(p, code, 8);
	return 8;
#else
	uint8_t code[] = { 0xb8, n, n >> 8, 0, 0, 0xc3 };
	memcpy(p, code, 6);
	return 6;
#endif
}

// The same in 8 bytes for n below 2048, which one store makes.
static void patch(uint8_t *p, uint16_t n)
{
#ifdef __aarch64__
	uint64_t code = 0xd65f03c052800000 | n << 5;
#elif defined __riscv
	// li a0, ret.
	uint64_t code = 0x0000806700000513 | (uint64_t)n << 20;
#elif defined __arm__
	uint64_t code = 0xe12fff1e00000000 | (uint32_t)(0xe3000000 | (n & 0xf000) << 4 | (n & 0xfff));
#else
	uint64_t code = 0xc300000000b8 | (uint64_t)n << 8;
#endif
	__atomic_store_n((uint64_t *)p, code, __ATOMIC_RELEASE);
}

static int call(void *p) { return ((int (*)(void))p)(); }
static void flush(void *p, size_t n) { __builtin___clear_cache((char *)p, (char *)p + n); }

static uint8_t *shared;
static volatile int go, result;
static void *other(void *arg)
{
	while (__atomic_load_n(&go, __ATOMIC_ACQUIRE) < 2000) {
		int v = __atomic_load_n(&go, __ATOMIC_ACQUIRE);
		int r = call(shared);
		// The patch may be seen at once or not yet, but never something else.
		CHECK(r >= v && r <= 2001);
		result++;
	}
	return arg;
}

// A function at `p` that calls the one at `to`, which is near, and returns what that returns.
static size_t caller(uint8_t *p, uint8_t *to)
{
#ifdef __aarch64__
	uint32_t code[] = { 0xa9bf7bfd, 0x94000000 | ((to - p - 4) >> 2 & 0x3ffffff), 0xa8c17bfd, 0xd65f03c0 };
#elif defined __riscv
	// addi sp; sd ra; jal; ld ra; addi sp; ret.
	uint32_t d = to - p - 8, jump = (d >> 20 & 1) << 31 | (d >> 1 & 0x3ff) << 21 | (d >> 11 & 1) << 20 | (d >> 12 & 0xff) << 12;
	uint32_t code[] = { 0xff010113, 0x00113423, 0x000000ef | jump, 0x00813083, 0x01010113, 0x00008067 };
#elif defined __arm__
	// push {r3, lr}; bl; pop {r3, pc}.
	uint32_t code[] = { 0xe92d4008, 0xeb000000 | ((to - p - 12) >> 2 & 0xffffff), 0xe8bd8008 };
#else
	int32_t d = to - p - 9;
	uint8_t code[] = { 0x48, 0x83, 0xec, 8, 0xe8, d, d >> 8, d >> 16, d >> 24, 0x48, 0x83, 0xc4, 8, 0xc3 };
#endif
	memcpy(p, code, sizeof code);
	return sizeof code;
}

// A function that calls `f` and then returns the constant n, and the place of that constant's instruction, which `set` replaces.
static uint8_t *call_then(uint8_t *p, void (*f)(void))
{
	uint64_t at = (uintptr_t)f;
#ifdef __aarch64__
	uint32_t code[] = { 0xa9bf7bfd, 0xd2800010 | (at & 0xffff) << 5, 0xf2a00010 | (at >> 16 & 0xffff) << 5, 0xf2c00010 | (at >> 32 & 0xffff) << 5, 0xd63f0200, 0x52800000, 0xa8c17bfd, 0xd65f03c0 };
	memcpy(p, code, sizeof code);
	return p + 20;
#elif defined __riscv
	// addi sp; sd ra; auipc t0; ld t0 (the last two words); jalr t0; lui a0; srli a0; ld ra; addi sp; ret.
	uint32_t code[] = { 0xff010113, 0x00113423, 0x00000297, 0x0202b283, 0x000280e7, 0x00000537, 0x00c55513, 0x00813083, 0x01010113, 0x00008067, at, at >> 32 };
	memcpy(p, code, sizeof code);
	return p + 20;
#elif defined __arm__
	// push {r3, lr}; ldr r3 (the last word); blx r3; movw r0; pop {r3, pc}.
	uint32_t code[] = { 0xe92d4008, 0xe59f3008, 0xe12fff33, 0xe3000000, 0xe8bd8008, at };
	memcpy(p, code, sizeof code);
	return p + 12;
#else
	uint8_t code[] = { 0x48, 0x83, 0xec, 8, 0x48, 0xb8, at, at >> 8, at >> 16, at >> 24, at >> 32, at >> 40, 0, 0, 0xff, 0xd0, 0xb8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 8, 0xc3 };
	memcpy(p, code, sizeof code);
	return p + 16;
#endif
}

static void set(uint8_t *at, uint16_t n)
{
#ifdef __aarch64__
	__atomic_store_n((uint32_t *)at, 0x52800000 | n << 5, __ATOMIC_RELEASE);
#elif defined __riscv
	__atomic_store_n((uint32_t *)at, 0x00000537 | (uint32_t)n << 12, __ATOMIC_RELEASE);
#elif defined __arm__
	__atomic_store_n((uint32_t *)at, 0xe3000000 | (n & 0xf000) << 4 | (n & 0xfff), __ATOMIC_RELEASE);
#else
	__atomic_store_n((uint64_t *)at, 0xc4834800000000b8 | (uint64_t)n << 8, __ATOMIC_RELEASE);
#endif
	flush(at, 8);
}

static volatile int seen, stop;
static void look(void)
{
	sched_yield();
	seen = __atomic_load_n(&go, __ATOMIC_ACQUIRE);
}
// What comes after the call has been patched by the time the callee saw it announced.
static void *returning(void *f)
{
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		CHECK(call(f) >= seen);
		result++;
	}
	return 0;
}

// Calls that are all made before the code after them is patched, by the last callee or by another thread that it waits for.
static uint8_t *nested, *nested_at;
static int left, sum_of_returns, ask[2], answer[2];
static uint16_t patched;
static void nest(void)
{
	char c = 0;
	if (left-- > 0)
		sum_of_returns += call(nested);
	else if (ask[0] == 0)
		set(nested_at, patched);
	else
		CHECK(write(ask[1], "", 1) == 1 && read(answer[0], &c, 1) == 1);
}
static void *patcher(void *unused)
{
	char c;
	(void)unused;
	while (read(ask[0], &c, 1) == 1) {
		set(nested_at, patched);
		CHECK(write(answer[1], "", 1) == 1);
	}
	return 0;
}
static void returns(int depth, uint16_t n)
{
	left = depth, sum_of_returns = 0, patched = n;
	CHECK(call(nested) == n);
	CHECK(sum_of_returns == depth * n);
}

int main(void)
{
	long page = sysconf(_SC_PAGESIZE), sum = 0;
	uint8_t *p = mmap(0, 4 * page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	for (int i = 0; i < 3000; i++) {
		flush(p, constant(p, i));
		sum += call(p);
		CHECK(call(p) == i);
	}
	printf("in place %ld\n", sum);
	// Two functions on one page: changing one leaves the other.
	flush(p + 64, constant(p + 64, 77));
	for (int i = 0; i < 500; i++) {
		flush(p, constant(p, i));
		CHECK(call(p) == i && call(p + 64) == 77);
	}
	// A short function in another page than its caller: changed, then gone.
	flush(p, caller(p, p + page + 8));
	for (int i = 0; i < 300; i++) {
		flush(p + page + 8, constant(p + page + 8, i));
		CHECK(call(p) == i);
	}
	CHECK(mprotect(p + page, page, PROT_READ | PROT_WRITE) == 0);
	constant(p + page + 8, 555);
	CHECK(mprotect(p + page, page, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
	CHECK(call(p) == 555);
	CHECK(mmap(p + page, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + page);
	flush(p + page + 8, constant(p + page + 8, 556));
	CHECK(call(p) == 556);
	// Across a page border.
	for (int i = 0; i < 200; i++) {
		flush(p + page - 4, constant(p + page - 4, i));
		CHECK(call(p + page - 4) == i);
	}
	// Write, protect, run.
	for (int i = 0; i < 300; i++) {
		CHECK(mprotect(p, page, PROT_READ | PROT_WRITE) == 0);
		size_t n = constant(p, i + 7);
		CHECK(mprotect(p, page, PROT_READ | PROT_EXEC) == 0);
		flush(p, n);
		CHECK(call(p) == i + 7);
	}
	// Unmap and map again at the same place.
	for (int i = 0; i < 300; i++) {
		CHECK(munmap(p + 2 * page, page) == 0);
		uint8_t *q = mmap(p + 2 * page, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		CHECK(q == p + 2 * page && q[0] == 0);
		flush(q, constant(q, i));
		CHECK(call(q) == i);
	}
	// mremap moves the code.
	uint8_t *m = mmap(0, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	flush(m, constant(m, 4321));
	CHECK(call(m) == 4321);
	uint8_t *place = mmap(0, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mremap(m, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
	CHECK(call(place) == 4321);
	// Two views of one file: written through one, run through the other.
	int fd = memfd_create("code", 0);
	CHECK(fd >= 0 && ftruncate(fd, page) == 0);
	uint8_t *w = mmap(0, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	uint8_t *x = mmap(0, page, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	CHECK(w != MAP_FAILED && x != MAP_FAILED);
	for (int i = 0; i < 500; i++) {
		flush(x, constant(w, i));
		flush(x, 16);
		CHECK(call(x) == i);
	}
	// pwrite to the file behind the mapping.
	for (int i = 0; i < 200; i++) {
		uint8_t code[16];
		size_t n = constant(code, i + 1000);
		CHECK(pwrite(fd, code, n, 0) == (ssize_t)n);
		flush(x, n);
		CHECK(call(x) == i + 1000);
	}
	// A second thread runs what this one patches.
	shared = p + 3 * page;
	patch(shared, 1);
	flush(shared, 8);
	pthread_t t;
	CHECK(pthread_create(&t, 0, other, 0) == 0);
	while (__atomic_load_n(&result, __ATOMIC_ACQUIRE) == 0)
		sched_yield();
	for (int i = 1; i <= 2000; i++) {
		patch(shared, i + 1);
		flush(shared, 8);
		__atomic_store_n(&go, i, __ATOMIC_RELEASE);
		CHECK(call(shared) == i + 1);
	}
	pthread_join(t, 0);
	CHECK(result > 0);
	// A second thread returns to what this one patches.
	go = result = 0;
	uint8_t *at = call_then(shared, look);
	flush(shared, 64);
	CHECK(pthread_create(&t, 0, returning, shared) == 0);
	while (__atomic_load_n(&result, __ATOMIC_ACQUIRE) == 0)
		sched_yield();
	for (int i = 1; i <= 3000; i++) {
		set(at, i);
		__atomic_store_n(&go, i, __ATOMIC_RELEASE);
		if (i % 16 == 0)
			sched_yield();
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	pthread_join(t, 0);
	nested = p + 3 * page + 256;
	nested_at = call_then(nested, nest);
	flush(nested, 64);
	for (int i = 0; i < 200; i++)
		returns(i % 7 == 0 ? 3000 : i % 5, i + 1);
	CHECK(pipe(ask) == 0 && pipe(answer) == 0);
	CHECK(pthread_create(&t, 0, patcher, 0) == 0);
	for (int i = 0; i < 200; i++)
		returns(i % 7 == 0 ? 3000 : i % 5, 1000 - i);
	close(ask[1]);
	pthread_join(t, 0);
	puts("done");
	return 0;
}
