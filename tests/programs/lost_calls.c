// Calls that never return, far more of them than any stack of return addresses holds: what a translator keeps of them must be able to run over at every
// kind of instruction, and while signals come and other threads change code. Then deep recursion, which does return.
//@ variants: static dynamic musl musl-dynamic
//@ timeout: 120
//@ not-arm: its code is of hosts that keep return addresses apart
#include "../check.h"
#include <fenv.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

// More than the return addresses that the emulator keeps.
#define DEPTH 70000
// Bytes of one piece of code made below.
#define SIZE 64

// Makes n calls, one at least, that never return: tail calls as compilers of functional languages write them. Leaves n return addresses.
static inline __attribute__((always_inline)) void lose(long n)
{
#ifdef __aarch64__
	__asm__ volatile("1: bl 2f\n2: subs %0, %0, #1\nb.ne 1b" : "+r"(n)::"x30", "cc");
#elif defined __riscv
	__asm__ volatile("1: jal ra, 2f\n2: addi %0, %0, -1\nbnez %0, 1b" : "+r"(n)::"ra");
#else
	// Below what the function may keep under its stack pointer.
	__asm__ volatile("sub $128, %%rsp\n1: call 2f\n2: add $8, %%rsp\ndec %0\njnz 1b\nadd $128, %%rsp" : "+r"(n)::"cc");
#endif
}

// At p: a function that calls one behind it, which jumps to one behind it, which returns 7.
static void emit(uint8_t *p)
{
#ifdef __aarch64__
	// mov x9, x30; bl; mov x30, x9; ret; b; udf; mov w0, #7; ret.
	uint32_t code[] = { 0xaa1e03e9, 0x94000003, 0xaa0903fe, 0xd65f03c0, 0x14000002, 0, 0x528000e0, 0xd65f03c0 };
#elif defined __riscv
	// mv t2, ra; jal ra; mv ra, t2; ret; j; (nothing); li a0, 7; ret.
	uint32_t code[] = { 0x00008393, 0x00c000ef, 0x00038093, 0x00008067, 0x0080006f, 0, 0x00700513, 0x00008067 };
#else
	// call; ret; jmp; ud2; mov eax, 7; ret.
	uint8_t code[] = { 0xe8, 1, 0, 0, 0, 0xc3, 0xeb, 2, 0x0f, 0x0b, 0xb8, 7, 0, 0, 0, 0xc3 };
#endif
	memcpy(p, code, sizeof code);
}

static uint8_t *code;
static int call(long i) { return ((int (*)(void))(void *)(code + i * SIZE))(); }

static __attribute__((noinline)) long leaf(long x) { return x * 3 + 1; }

static volatile long traps, ticks;
static sigjmp_buf out;
static volatile int may_jump;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info;
	ucontext_t *u = context;
#ifdef __aarch64__
	u->uc_mcontext.pc += 4;
#elif defined __riscv
	u->uc_mcontext.__gregs[0] += 4;
#else
	(void)u;
#endif
	traps++;
}

static void trap(void)
{
#ifdef __aarch64__
	__asm__ volatile("brk #1");
#elif defined __riscv
	__asm__ volatile(".option push\n.option norvc\nebreak\n.option pop");
#else
	__asm__ volatile("int3");
#endif
}

static void on_tick(int sig)
{
	(void)sig;
	lose(100);
	CHECK(call(ticks++ % 64) == 7);
	if (may_jump && ticks % 8 == 0)
		siglongjmp(out, 1);
}

static jmp_buf back;
static __attribute__((noinline)) long jump_out(int n)
{
	if (n <= 0)
		longjmp(back, 1);
	long r = n > 5 ? 0 : jump_out(n - 1) + 1;
	__asm__ volatile("" : "+r"(r));
	return r;
}

static __attribute__((noinline)) long deep(long n)
{
	if (n == 0)
		return 0;
	long r = deep(n - 1) + 1;
	__asm__ volatile("" : "+r"(r));
	return r;
}

// One thing at every depth that there is.
#define AT_EVERY_DEPTH(what)                   \
	for (long i = 0; i < DEPTH; i++) {     \
		lose(1);                       \
		what;                          \
	}

static __attribute__((noinline, aligned(4096))) void everything(uint8_t *fresh)
{
	for (long i = 0; i < DEPTH; i++)
		emit(fresh + i * SIZE);
	__builtin___clear_cache((char *)fresh, (char *)fresh + DEPTH * SIZE);
	code = fresh;
	// Code that never ran before, then the same code again.
	AT_EVERY_DEPTH(CHECK(call(i) == 7));
	AT_EVERY_DEPTH(CHECK(call(i) == 7));
	AT_EVERY_DEPTH(CHECK(leaf(i) == i * 3 + 1));
	// What the emulator does not translate to host code.
	AT_EVERY_DEPTH(CHECK(fesetround(i & 1 ? FE_UPWARD : FE_TONEAREST) == 0));
	CHECK(fesetround(FE_TONEAREST) == 0);
	char data[64];
	AT_EVERY_DEPTH(__builtin___clear_cache(data, data + 64));
	long parent = getppid();
	AT_EVERY_DEPTH(CHECK(syscall(SYS_getppid) == parent));
	struct timespec t;
	AT_EVERY_DEPTH(CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0));
	traps = 0;
	AT_EVERY_DEPTH(trap());
	CHECK(traps == DEPTH);
	AT_EVERY_DEPTH(if (setjmp(back) == 0) jump_out(i & 3));
	lose(1000000);
}

static volatile int stop;

// Changes code in which the other thread makes its calls.
static void *changer(void *arg)
{
	while (!stop) {
		CHECK(mprotect((void *)everything, 4096, PROT_READ | PROT_EXEC) == 0);
		__builtin___clear_cache((char *)code, (char *)code + 64 * SIZE);
		usleep(20000);
	}
	return arg;
}

static void *deep_thread(void *arg)
{
	for (int i = 0; i < 3; i++) {
		lose(1 + i * 1000);
		CHECK(deep(300000) == 300000);
	}
	return arg;
}

#ifdef __GLIBC__
static ucontext_t contexts[2];
static long switches;

static void green(void)
{
	for (;;) {
		switches++;
		swapcontext(&contexts[1], &contexts[0]);
	}
}
#endif

int main(void)
{
	struct sigaction act = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	CHECK(sigaction(SIGTRAP, &act, NULL) == 0);
	act = (struct sigaction){ .sa_handler = on_tick };
	CHECK(sigaction(SIGALRM, &act, NULL) == 0);
	uint8_t *fresh[2];
	for (int i = 0; i < 2; i++) {
		fresh[i] = mmap(NULL, DEPTH * SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(fresh[i] != MAP_FAILED);
	}
	everything(fresh[0]);

	// While signals come, some of which leave by a jump.
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { { 0, 0 }, { 0, 0 } };
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	while (ticks < 500) {
		may_jump = sigsetjmp(out, 1) == 0;
		for (int i = 0; i < 2000; i++)
			lose(200);
		may_jump = 0;
	}
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);

	// While another thread changes code.
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, changer, NULL) == 0);
	everything(fresh[1]);
	stop = 1;
	CHECK(pthread_join(thread, NULL) == 0);

	pthread_attr_t attr;
	CHECK(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, 64 << 20) == 0);
	CHECK(pthread_create(&thread, &attr, deep_thread, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);

#ifdef __GLIBC__
	CHECK(getcontext(&contexts[1]) == 0);
	contexts[1].uc_stack.ss_sp = malloc(65536);
	contexts[1].uc_stack.ss_size = 65536;
	makecontext(&contexts[1], green, 0);
	for (int i = 0; i < DEPTH; i++) {
		CHECK(swapcontext(&contexts[0], &contexts[1]) == 0);
		CHECK(switches == i + 1);
		lose(1);
	}
#endif
	puts("ok");
	return 0;
}
