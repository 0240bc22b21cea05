// setjmp and longjmp, computed goto, deep recursion, function pointers, alloca, nested signal jumps.
#include "../check.h"
#include <alloca.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

static jmp_buf top;
static sigjmp_buf sig;
static volatile int steps;

static volatile int bottom;
static __attribute__((noinline)) int dive(int n, double d)
{
	if (n < bottom)
		return 0;
	volatile char pad[50];
	pad[n % 50] = n;
	if (n == 0)
		longjmp(top, 1 + (int)d);
	int r = dive(n - 1, d * 0.5) + pad[n % 50];
	steps++;
	return r;
}

static __attribute__((noinline)) long interpret(const unsigned char *code)
{
	static void *const labels[] = { &&push, &&add, &&mul, &&dup, &&jnz, &&dec, &&end, &&swap };
	long stack[32], *sp = stack;
	const unsigned char *pc = code;
#define NEXT goto *labels[*pc++]
	NEXT;
push: *sp++ = *pc++; NEXT;
add: sp--; sp[-1] += *sp; NEXT;
mul: sp--; sp[-1] = (sp[-1] * *sp) % 1000003; NEXT;
dup: *sp = sp[-1]; sp++; NEXT;
jnz: if (sp[-1]) pc = code + *pc; else pc++; NEXT;
dec: sp[-1]--; NEXT;
swap: { long t = sp[-1]; sp[-1] = sp[-2]; sp[-2] = t; } NEXT;
end: return sp[-2];
}

static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static int even(unsigned n);
static __attribute__((noinline)) int odd(unsigned n) { return n ? even(n - 1) : 0; }
static __attribute__((noinline)) int even(unsigned n) { return n ? odd(n - 1) : 1; }
static __attribute__((noinline)) long deep(long n) { volatile long x = n; return n ? deep(n - 1) + x : 0; }

static void handler(int s) { siglongjmp(sig, s); }

static int add(int a, int b) { return a + b; }
static int sub(int a, int b) { return a - b; }
static int xor(int a, int b) { return a ^ b; }

int main(void)
{
	double kept = 2.5;
	for (volatile int i = 0; i < 2000; i++) {
		int r = setjmp(top);
		if (r == 0)
			dive(i % 97, i);
		if (i % 97 == 0)
			CHECK(r == i + 1);
		kept += r;
	}
	printf("longjmp %.1f %d\n", kept, steps);
	static const unsigned char code[] = { 0, 7, 0, 200, 7, 0, 13, 2, 0, 3, 1, 7, 5, 4, 4, 6 };
	long total = 0;
	for (int i = 0; i < 500; i++)
		total += interpret(code);
	printf("goto %ld\n", total);
	printf("fib %d, even %d %d, deep %ld\n", fib(24), even(100001), even(100000), deep(60000));
	int (*volatile table[])(int, int) = { add, sub, xor };
	int v = 1;
	for (int i = 0; i < 30000; i++)
		v = table[i % 7 % 3](v, i);
	printf("pointers %d\n", v);
	signal(SIGSEGV, handler);
	signal(SIGUSR1, handler);
	signal(SIGFPE, handler);
	int caught = 0;
	for (volatile int i = 0; i < 300; i++) {
		int s = sigsetjmp(sig, 1);
		if (s) {
			caught += s;
			continue;
		}
		if (i % 2)
			*(volatile int *)(8 + (long)i * 4) = 1;
		else
			raise(SIGUSR1);
	}
	printf("signals %d\n", caught);
	long sum = 0;
	for (int i = 1; i < 400; i++) {
		char *p = alloca(i);
		memset(p, i, i);
		sum += p[i - 1];
	}
	printf("alloca %ld\n", sum);
	return 0;
}
