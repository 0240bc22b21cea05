// Loops around load-exclusive and store-exclusive as programs without LSE have them, each of which the emulator may run as one step:
// several threads on one word, accesses that fault inside, signals in between. Natively, the compiler's atomics stand in for them.
//@ armel-flags: -march=armv7-a
#include "../check.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#ifdef __aarch64__
#define RMW(name, op) \
	static uint32_t name(uint32_t *p, uint32_t v) { \
		uint32_t old, new, status; \
		__asm__ volatile("1: ldaxr %w0, [%3]\n " op " %w1, %w0, %w4\n stlxr %w2, %w1, [%3]\n cbnz %w2, 1b" \
			: "=&r"(old), "=&r"(new), "=&r"(status) : "r"(p), "r"(v) : "memory"); \
		return old; }
static uint8_t add8(uint8_t *p, uint8_t v)
{
	uint32_t old, new, status;
	__asm__ volatile("1: ldxrb %w0, [%3]\n add %w1, %w0, %w4\n stxrb %w2, %w1, [%3]\n cbnz %w2, 1b" : "=&r"(old), "=&r"(new), "=&r"(status) : "r"(p), "r"((uint32_t)v) : "memory");
	return old;
}
static uint64_t add64(uint64_t *p, uint64_t v)
{
	uint64_t old, new;
	uint32_t status;
	__asm__ volatile("1: ldaxr %0, [%3]\n add %1, %0, %4\n stlxr %w2, %1, [%3]\n cbnz %w2, 1b" : "=&r"(old), "=&r"(new), "=&r"(status) : "r"(p), "r"(v) : "memory");
	return old;
}
RMW(add32, "add")
RMW(or32, "orr")
RMW(xor32, "eor")
static uint32_t swap32(uint32_t *p, uint32_t v)
{
	uint32_t old, status;
	__asm__ volatile("1: ldaxr %w0, [%2]\n stlxr %w1, %w3, [%2]\n cbnz %w1, 1b" : "=&r"(old), "=&r"(status) : "r"(p), "r"(v) : "memory");
	return old;
}
static uint32_t cas32(uint32_t *p, uint32_t expected, uint32_t new)
{
	uint32_t old, status;
	__asm__ volatile("1: ldaxr %w0, [%2]\n cmp %w0, %w3\n b.ne 2f\n stlxr %w1, %w4, [%2]\n cbnz %w1, 1b\n2:"
		: "=&r"(old), "=&r"(status) : "r"(p), "r"(expected), "r"(new) : "memory", "cc");
	return old;
}
// As GCC turns a loop round: the store stands before the load.
static uint32_t cas32_rotated(uint32_t *p, uint32_t expected, uint32_t new)
{
	uint32_t old, status;
	__asm__ volatile("b 1f\n3: stlxr %w1, %w4, [%2]\n cbz %w1, 2f\n1: ldaxr %w0, [%2]\n cmp %w3, %w0\n b.eq 3b\n2:"
		: "=&r"(old), "=&r"(status) : "r"(p), "r"(expected), "r"(new) : "memory", "cc");
	return old;
}
#else
static uint8_t add8(uint8_t *p, uint8_t v) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
static uint64_t add64(uint64_t *p, uint64_t v) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
static uint32_t add32(uint32_t *p, uint32_t v) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
static uint32_t or32(uint32_t *p, uint32_t v) { return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST); }
static uint32_t xor32(uint32_t *p, uint32_t v) { return __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST); }
static uint32_t swap32(uint32_t *p, uint32_t v) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); }
static uint32_t cas32(uint32_t *p, uint32_t expected, uint32_t new)
{
	__atomic_compare_exchange_n(p, &expected, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return expected;
}
#define cas32_rotated cas32
#endif

enum { THREADS = 4, ROUNDS = 20000 };
static struct { uint8_t byte; uint32_t word, bits, parity, locked, by_cas, by_rotated, lock; uint64_t wide, plain; } shared;

static void *contend(void *arg)
{
	uint32_t me = (uintptr_t)arg;
	for (int i = 0; i < ROUNDS; i++) {
		add8(&shared.byte, 1);
		add32(&shared.word, 3);
		add64(&shared.wide, 1ull << 33 | 1);
		or32(&shared.bits, 1u << (i & 31));
		xor32(&shared.parity, 1u << me);
		for (uint32_t old = shared.by_cas, seen; (seen = cas32(&shared.by_cas, old, old + 1)) != old; old = seen)
			;
		for (uint32_t old = shared.by_rotated, seen; (seen = cas32_rotated(&shared.by_rotated, old, old + 1)) != old; old = seen)
			;
		while (swap32(&shared.lock, 1))
			sched_yield();
		shared.plain++;
		CHECK(swap32(&shared.lock, 0) == 1);
	}
	return 0;
}

static void contended(void)
{
	pthread_t t[THREADS];
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], 0, contend, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(t[i], 0) == 0);
	CHECK(shared.byte == (uint8_t)(THREADS * ROUNDS));
	CHECK(shared.word == 3 * THREADS * ROUNDS);
	CHECK(shared.wide == (1ull << 33 | 1) * THREADS * ROUNDS);
	CHECK(shared.bits == UINT32_MAX && shared.parity == 0);
	CHECK(shared.by_cas == THREADS * ROUNDS && shared.by_rotated == THREADS * ROUNDS);
	CHECK(shared.plain == THREADS * ROUNDS);
	puts("contended");
}

// Faults: the handler makes the page usable and goes on. What faulted is the load where the page cannot be read, else the store.
static uint8_t *page;
static volatile int faults;
static volatile uint32_t word_at_fault;
static void on_segv(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	CHECK(info->si_code == SEGV_ACCERR && (uint8_t *)info->si_addr == page + 8);
#ifdef __aarch64__
	word_at_fault = *(uint32_t *)((ucontext_t *)context)->uc_mcontext.pc;
#endif
	CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
	faults++;
}

static void faulting(void)
{
	struct sigaction act = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO }, old;
	page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED && sigaction(SIGSEGV, &act, &old) == 0);
	uint32_t *p = (uint32_t *)(page + 8);
	for (int prot = 0; prot < 2; prot++) {
		const int protection = prot ? PROT_READ : PROT_NONE;
		for (int what = 0; what < 5; what++) {
			*p = 100;
			faults = 0;
			CHECK(mprotect(page, 4096, protection) == 0);
			uint32_t r = what == 0 ? add32(p, 5) : what == 1 ? or32(p, 3) : what == 2 ? swap32(p, 7) : what == 3 ? cas32(p, 100, 9) : cas32_rotated(p, 100, 11);
			CHECK(r == 100 && faults == 1);
			static const uint32_t after[] = { 105, 103, 7, 9, 11 };
			CHECK(*p == after[what]);
#ifdef __aarch64__
			// Bit 22 tells a load exclusive from a store exclusive.
			CHECK((word_at_fault & 0x3f000000) == 0x08000000 && (word_at_fault >> 22 & 1) == !prot);
#endif
		}
	}
#ifdef __aarch64__
	// A comparison that fails does not store, so a page that can be read will do.
	*p = 100, faults = 0;
	CHECK(mprotect(page, 4096, PROT_READ) == 0);
	CHECK(cas32(p, 99, 1) == 100 && cas32_rotated(p, 99, 1) == 100 && faults == 0);
#endif
	CHECK(sigaction(SIGSEGV, &old, 0) == 0);
	puts("faulting");
}

// Signals: the handler changes the same words by the same loops.
static uint32_t stormy, by_handler;
static volatile sig_atomic_t signals;
static void on_alarm(int sig)
{
	(void)sig;
	add32(&stormy, 1);
	for (uint32_t old = stormy, seen; (seen = cas32(&stormy, old, old + 1)) != old; old = seen)
		;
	by_handler += 2;
	signals++;
}

static void storm(void)
{
	struct sigaction act = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 100 }, { 0, 100 } }, never = { { 0, 0 }, { 0, 0 } };
	CHECK(sigaction(SIGALRM, &act, 0) == 0 && setitimer(ITIMER_REAL, &often, 0) == 0);
	uint32_t mine = 0;
	while (signals < 300) {
		for (int i = 0; i < 100; i++) {
			add32(&stormy, 1);
			for (uint32_t old = stormy, seen; (seen = cas32_rotated(&stormy, old, old + 1)) != old; old = seen)
				;
			mine += 2;
		}
	}
	CHECK(setitimer(ITIMER_REAL, &never, 0) == 0);
	CHECK(stormy == mine + by_handler);
	puts("stormy");
}

int main(void)
{
	contended();
	faulting();
	storm();
	return 0;
}
