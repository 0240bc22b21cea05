// A process that shares memory is killed at any place of its loops of exclusives: others go on with the same word.
//@ timeout: 120
#include "../check.h"
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>

static _Alignas(16) volatile int64_t word, one = 1;

// Adds by instructions that are no single step for a translator: there is a load in between.
static void add(void)
{
#if defined __aarch64__
	int64_t value;
	int other;
	__asm__ volatile("1: ldaxr %0, [%2]\n ldr x9, [%3]\n add %0, %0, x9\n stlxr %w1, %0, [%2]\n cbnz %w1, 1b"
			 : "=&r"(value), "=&r"(other) : "r"(&word), "r"(&one) : "x9", "memory");
#elif defined __riscv
	int64_t value, other;
	__asm__ volatile("1: lr.d.aq %0, (%2)\n ld t0, (%3)\n add %0, %0, t0\n sc.d.rl %1, %0, (%2)\n bnez %1, 1b"
			 : "=&r"(value), "=&r"(other) : "r"(&word), "r"(&one) : "t0", "memory");
#elif defined __arm__ && __ARM_ARCH < 7
	// The kernel's helper: there are no exclusives of 64 bits.
	int64_t old, new;
	do
		new = (old = word) + one;
	while (((int (*)(const int64_t *, const int64_t *, volatile int64_t *))0xffff0f60)(&old, &new, &word) != 0);
#else
	__atomic_fetch_add(&word, one, __ATOMIC_SEQ_CST);
#endif
}

static int child(void *unused)
{
	(void)unused;
	for (;;)
		add();
	return 0;
}

int main(void)
{
	static char stack[1 << 16] __attribute__((aligned(16)));
	for (int i = 0; i < 40; i++) {
		int64_t before = word;
		pid_t pid = clone(child, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
		CHECK(pid > 0);
		while (word < before + 1000)
			;
		nanosleep(&(struct timespec){ 0, 1000 * (i * 7 % 50) }, NULL);
		CHECK(kill(pid, SIGKILL) == 0);
		// Not waited for yet.
		siginfo_t info;
		CHECK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT) == 0);
		before = word;
		add();
#if defined __arm__ && __ARM_ARCH < 7
		add();
#else
		__atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
#endif
		CHECK(word == before + 2);
		int status;
		CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	}
	puts("done");
	return 0;
}
