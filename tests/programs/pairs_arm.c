// Pairs of words: other threads see all or nothing of eight aligned bytes that LDRD and STRD access (LPAE, ARMv8), and a pair whose second word faults is accessed
// anew after the handler, at the same address though the first register is the base.
//@ guest-only: arm
//@ arm-flags: -march=armv7-a+fp
//@ armel-flags: -march=armv7-a
//@ variants: static
#include "../check.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

static uint64_t pair __attribute__((aligned(8)));
static volatile int stop;

static void store(void *p, uint32_t value)
{
	register uint32_t low __asm__("r2") = value, high __asm__("r3") = value;
	__asm__ volatile("strd r2, r3, [%0]" : : "r"(p), "r"(low), "r"(high) : "memory");
}

static void *writer(void *unused)
{
	for (uint32_t n = 0; !stop; n++)
		store(&pair, n);
	return unused;
}

static char *pages;
static volatile unsigned long address;
static void fault(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	address = (unsigned long)info->si_addr;
	mprotect(pages + 4096, 4096, PROT_READ | PROT_WRITE);
}

int main(void)
{
	pthread_t t;
	pthread_create(&t, NULL, writer, NULL);
	while (*(volatile uint64_t *)&pair == 0)
		sched_yield();
	for (int i = 0; i < 20000000; i++) {
		uint32_t low, high;
		__asm__ volatile("ldrd r2, r3, [%2]\n mov %0, r2\n mov %1, r3" : "=&r"(low), "=&r"(high) : "r"(&pair) : "r2", "r3", "memory");
		CHECK(low == high);
	}
	stop = 1;
	pthread_join(t, NULL);

	pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction action = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO };
	sigaction(SIGSEGV, &action, NULL);
	store(pages + 4092, 0x55);
	CHECK(mprotect(pages + 4096, 4096, PROT_NONE) == 0);
	uint32_t low, high;
	__asm__ volatile("mov r2, %2\n ldrd r2, r3, [r2]\n mov %0, r2\n mov %1, r3" : "=&r"(low), "=&r"(high) : "r"(pages + 4092) : "r2", "r3", "memory");
	CHECK(low == 0x55 && high == 0x55 && address == (unsigned long)pages + 4096);
	CHECK(mprotect(pages + 4096, 4096, PROT_NONE) == 0);
	address = 0;
	store(pages + 4092, 7);
	CHECK(address == (unsigned long)pages + 4096 && ((uint32_t *)pages)[1023] == 7 && ((uint32_t *)pages)[1024] == 7);
	puts("ok");
	return 0;
}
