// The signals that the processor raises, sent by timers at a high rate, alone and together with others, to a thread that computes: exclusives, calls, and what
// hash functions are made of. Several may come one after the other within an instruction. Everything stays exact, and each kind arrives.
//@ flags: -lrt
#include "../check.h"
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif
#ifdef __aarch64__
#include <arm_neon.h>
#endif

static volatile long seen[65];
static uint64_t word __attribute__((aligned(16)));

static void handler(int signo)
{
	seen[signo]++;
}

static double now(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static timer_t start(int signo, long nanoseconds)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	CHECK(sigaction(signo, &action, NULL) == 0);
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signo };
	event.sigev_notify_thread_id = syscall(SYS_gettid);
	timer_t timer;
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	struct itimerspec every = { { 0, nanoseconds }, { 0, nanoseconds } };
	CHECK(timer_settime(timer, 0, &every, NULL) == 0);
	return timer;
}

// Adds one, with more between load and store than a step takes in.
static uint64_t add(void)
{
	uint64_t old;
#if defined(__aarch64__)
	uint64_t new;
	uint32_t status;
	asm volatile("1: ldaxr %0, [%3]; eor %1, %0, %0, lsr #7; sub %1, %1, %0; add %1, %0, #1; stlxr %w2, %1, [%3]; cbnz %w2, 1b"
		: "=&r"(old), "=&r"(new), "=&r"(status) : "r"(&word) : "memory");
#elif defined(__riscv)
	uint64_t new, status;
	asm volatile("1: lr.d.aq %0, (%3); srli %1, %0, 7; xor %1, %1, %0; addi %1, %0, 1; sc.d.rl %2, %1, (%3); bnez %2, 1b"
		: "=&r"(old), "=&r"(new), "=&r"(status) : "r"(&word) : "memory");
#elif defined(__arm__) && __ARM_ARCH < 7
	// The kernel's helper: there are no exclusives of 64 bits.
	uint64_t new;
	do
		new = (old = word) + 1;
	while (((int (*)(const uint64_t *, const uint64_t *, uint64_t *))0xffff0f60)(&old, &new, &word) != 0);
#else
	old = __atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
#endif
	return old;
}

__attribute__((noinline)) static long deep(volatile long n)
{
	return n == 0 ? 0 : 1 + deep(n - 1);
}

#ifdef __aarch64__
__attribute__((target("+crypto"))) static uint32x4_t hash(void)
{
	uint32x4_t a = { 1, 2, 3, 4 }, b = { 5, 6, 7, 8 }, k = { 9, 10, 11, 12 }, m = { 1, 1, 2, 3 };
	for (int i = 0; i < 500; i++) {
		uint32x4_t t = a;
		a = vsha256hq_u32(a, b, k);
		b = vsha256h2q_u32(b, t, k);
		m = vsha256su1q_u32(vsha256su0q_u32(m, b), a, k);
		k = vaddq_u32(k, m);
		k = vsha1cq_u32(k, vsha1h_u32(vgetq_lane_u32(a, 0)), b);
	}
	return veorq_u32(a, veorq_u32(b, k));
}
#endif

// The timers' periods are this many nanoseconds, and more for each.
static void round_of(const int *signals, int count, long period, long more)
{
	timer_t timers[6];
	memset((void *)seen, 0, sizeof seen);
	for (int i = 0; i < count; i++)
		timers[i] = start(signals[i], period + more * i);
#ifdef __aarch64__
	uint32x4_t want = hash();
#endif
	double end = now() + 0.8;
	for (int all = 0; now() < end || !all;) {
		for (int i = 0; i < 500; i++) {
			uint64_t before = word;
			CHECK(add() == before && word == before + 1);
		}
		CHECK(deep(300) == 300);
#ifdef __aarch64__
		uint32x4_t got = hash();
		CHECK(memcmp(&got, &want, sizeof got) == 0);
#endif
		all = 1;
		for (int i = 0; i < count; i++)
			all &= seen[signals[i]] > 100;
	}
	for (int i = 0; i < count; i++)
		CHECK(timer_delete(timers[i]) == 0);
}

int main(void)
{
	static const int all[] = { SIGTRAP, SIGSEGV, SIGUSR1, SIGFPE };
	for (int i = 0; i < 4; i++)
		round_of(all + i, 1, 50000, 0);
	round_of(all, 2, 50000, 1500);
	round_of(all, 4, 50000, 1500);
	// Several are pending at once, and the first that the kernel delivers is not the one of the processor's debugger.
	static const int together[] = { SIGHUP, SIGILL, SIGTRAP, SIGBUS, SIGSEGV, SIGFPE };
	round_of(together, 6, 100000, 0);
	puts("ok");
}
