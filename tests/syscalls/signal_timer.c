// A timer of 10 kHz whose handler raises another signal, while the program computes: it gets on, and all of its results are what they are without the timer.
//@ not-arm: the interpreter has no time left between signals that come so often
#include "../check.h"
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ticks, raised;
static volatile double scratch = 1.5;
static char space[4096];

static void second(int signal) { (void)signal, raised++; }
static void tick(int signal)
{
	(void)signal;
	ticks++;
	// What the handler computes with is restored behind it.
	scratch = sqrt(scratch * 3.7 + ticks);
	memmove(space, space + 1, sizeof space - 1);
	raise(SIGUSR2);
}

static uint64_t integers(uint64_t x)
{
	for (int i = 0; i < 40000; i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		if ((int64_t)x < 0 && (x >> 7 & 3) != 2)
			x ^= x >> (i & 31);
		uint64_t sum;
		x += __builtin_add_overflow(x, x << 9, &sum) ? sum : x / (i + 1);
	}
	return x;
}

static uint64_t floats(uint64_t x)
{
	double a = 0.5, b = 1;
	float c = 3;
	for (int i = 0; i < 10000; i++) {
		a = a * 1.7 - b * 0.3;
		if (a > 2 || a < -2)
			a = a / 7 + sqrt(b);
		b = fmin(b + a, 9.5), c = c * 0.99f + (float)(int)a;
	}
	return x ^ (uint64_t)(int64_t)(a * 1e6) ^ (uint64_t)(int64_t)(b * 1e6) << 20 ^ (uint64_t)(int64_t)(c * 1000) << 40;
}

typedef uint32_t u4 __attribute__((vector_size(16)));
static uint64_t vectors(uint64_t x)
{
	u4 a = { x, 2, 3, 4 }, b = { 5, 6, x >> 32, 8 };
	for (int i = 0; i < 10000; i++) {
		a = a * 2654435761u + (b ^ (a >> 3));
		b = (b << 1 | b >> 31) + (u4)(a > b);
	}
	return x ^ a[0] ^ (uint64_t)a[3] << 32 ^ b[1] * 7ull ^ (uint64_t)b[2] << 17;
}

static __attribute__((noinline)) uint64_t deep(uint64_t n) { return n < 2 ? n : deep(n - 1) + deep(n - 2) + 1; }
static __attribute__((noinline)) uint64_t twice(uint64_t n) { return n * 2; }
static __attribute__((noinline)) uint64_t plus(uint64_t n) { return n + 7; }
static uint64_t (*volatile functions[])(uint64_t) = { twice, plus, integers, floats };
static uint64_t calls(uint64_t x)
{
	x += deep(18);
	for (int i = 0; i < 5000; i++)
		x = functions[x >> 5 & 1](x) ^ i;
	return x;
}

static _Atomic uint64_t counters[2];
static uint64_t atomics(uint64_t x)
{
	counters[0] = counters[1] = x;
	for (int i = 0; i < 5000; i++) {
		atomic_fetch_add(&counters[0], 3);
		uint64_t old = counters[1];
		CHECK(atomic_compare_exchange_strong(&counters[1], &old, old * 5 + counters[0]));
		atomic_fetch_xor(&counters[0], counters[1] >> 8);
	}
	return counters[0] ^ counters[1] * 3;
}

static int null;
static uint64_t system_calls(uint64_t x)
{
	static pid_t parent;
	if (!parent)
		parent = getppid();
	for (int i = 0; i < 1000; i++) {
		CHECK(syscall(SYS_getppid) == parent && write(null, space, 100) == 100 && sigprocmask(SIG_BLOCK, NULL, NULL) == 0);
		struct timespec now;
		CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0 && lseek(-1, 0, SEEK_SET) == -1 && errno == EBADF);
		x = x * 3 + i;
	}
	return x;
}

static uint64_t strings(uint64_t x)
{
	static char a[2048], b[2048];
	for (int i = 0; i < 60; i++) {
		memset(a, 'a' + (x + i) % 20, sizeof a - 1);
		strcpy(b, a);
		CHECK(strcmp(a, b) == 0 && memcmp(a, b, sizeof a) == 0 && memchr(a, 'z', sizeof a) == NULL);
		x = x * 31 + strlen(b + (x & 1023)) + a[x & 2046];
	}
	return x;
}

// The rounds of SHA-1 and SHA-512, which are long pieces of code that the translator calls.
static uint64_t hashes(uint64_t x)
{
#ifdef __aarch64__
	__asm__("fmov d0, %0\n fmov d1, %0\n mov v2.16b, v0.16b\n mov w9, #3000\n"
		"1: .inst 0xce628020\n .inst 0x5e000041\n add v2.4s, v0.4s, v1.4s\n subs w9, w9, #1\n b.ne 1b\n fmov %0, d2\n" // sha512h q0, q1, v2.2d; sha1c q1, s2, v0.4s
		: "+r"(x) : : "v0", "v1", "v2", "w9", "cc");
#endif
	return x;
}

int main(void)
{
	static uint64_t (*const works[])(uint64_t) = { integers, floats, vectors, calls, atomics, system_calls, strings, hashes };
	enum { WORKS = sizeof works / sizeof *works };
	uint64_t want[WORKS];
	null = open("/dev/null", O_WRONLY);
	for (int i = 0; i < WORKS; i++)
		want[i] = works[i](12345 + i);
	struct sigaction action = { .sa_handler = second };
	CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
	action = (struct sigaction){ .sa_handler = tick, .sa_flags = SA_RESTART };
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec often = { { 0, 100000 }, { 0, 100000 } };
	timer_t timer;
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &often, NULL) == 0);
	for (int round = 0; round < 20 || ticks < 1000; round++)
		for (int i = 0; i < WORKS; i++)
			if (works[i](12345 + i) != want[i])
				return printf("work %d\n", i), 1;
	CHECK(timer_delete(timer) == 0 && raised > 0 && ticks >= raised - 1);
	puts("done");
	return 0;
}
