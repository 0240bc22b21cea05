// What Linux gives arm programs of its own: signal frames of both kinds with what is in them, trampolines for both instruction sets, handlers and restarts in either,
// the page of helpers, the thread pointer, the architecture's calls, what the processor is told to be.
//@ guest-only: arm
//@ arm-flags: -marm -march=armv7-a -mfpu=neon
//@ armel-flags: -mfloat-abi=softfp
//@ variants: static
#include "../check.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define THUMB __attribute__((target("thumb"), noinline))
#define ARM __attribute__((target("arm"), noinline))

// The kernel's structure (old and rt_sigaction).
struct action {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};
struct old_action {
	void *handler;
	unsigned long mask, flags;
	void *restorer;
};
#define SA_THE_RESTORER 0x04000000

// Whether the handler changes registers, which the interrupted code must know of.
static volatile int count, changes;
static volatile uint32_t seen[21], old_flags;
static volatile uint64_t seen_d[32];
static volatile uint32_t change_fpscr, seen_fpscr;

struct vfp {
	uint32_t magic, size;
	uint64_t d[32];
	uint32_t fpscr, pad, fpexc, fpinst, fpinst2, pad2;
	uint32_t end;
};

static void look(ucontext_t *uc)
{
	struct vfp *vfp = (void *)uc->uc_regspace;
	CHECK((uintptr_t)vfp == (uintptr_t)uc + 232 && vfp->magic == 0x56465001 && vfp->size == 288 && vfp->fpexc == 1u << 30);
	CHECK(vfp->end == 0 || vfp->end != 0x56465001);
	memcpy((void *)seen, &uc->uc_mcontext, sizeof seen);
	memcpy((void *)seen_d, vfp->d, sizeof seen_d);
	seen_fpscr = vfp->fpscr;
	if (changes) {
		vfp->d[9] += 5;
		vfp->d[31] += 7;
	}
	if (change_fpscr)
		vfp->fpscr = change_fpscr;
	count++;
}

ARM static void on_arm(int signo, siginfo_t *info, void *uc)
{
	CHECK(signo == SIGUSR1 && info->si_signo == SIGUSR1 && info->si_pid == getpid() && ((uintptr_t)__builtin_frame_address(0) & 3) == 0);
	look(uc);
}
THUMB static void on_thumb(int signo, siginfo_t *info, void *uc)
{
	CHECK(signo == SIGUSR1 && info->si_code == SI_TKILL);
	look(uc);
}
// Without SA_SIGINFO the stack pointer is at a `struct sigframe`, whose ucontext begins so.
__attribute__((naked, target("arm"))) static void on_old(int signo)
{
	__asm__("push {r4, lr}\n add r1, sp, #8\n bl old_frame\n pop {r4, pc}");
}
__attribute__((used)) static void old_frame(int signo, ucontext_t *uc)
{
	CHECK(signo == SIGUSR1 && ((uintptr_t)uc & 7) == 0);
	old_flags = uc->uc_flags;
	look(uc);
}
THUMB static void on_old_thumb(int signo)
{
	CHECK(signo == SIGUSR1);
	count++;
}

static void set(void *handler, unsigned long flags)
{
	struct action a = {handler, flags, NULL, 0};
	CHECK(syscall(SYS_rt_sigaction, SIGUSR1, &a, NULL, 8) == 0);
}


// Raises SIGUSR1 with values in registers, and tells what has become of them.
uint32_t raise_values(uint32_t pid, uint32_t tid, uint64_t *d, uint32_t *out);
__asm__(".text\n.arm\n.fpu neon\n.global raise_values\n.type raise_values, %function\n"
	"raise_values:\n push {r4-r11, lr}\n vpush {d8-d15}\n"
	"mov r5, r2\n mov r6, r3\n vldr d9, [r5]\n vldr d31, [r5, #8]\n"
	"ldr r8, =0x88888888\n ldr r10, =0xaaaaaaaa\n mov r2, #10\n movw r7, #268\n ldr r3, =0xf80f0000\n msr APSR_nzcvqg, r3\n svc #0\n"
	"mrs r3, APSR\n str r3, [r6]\n str r8, [r6, #4]\n str r10, [r6, #8]\n vmrs r3, fpscr\n str r3, [r6, #12]\n vstr d9, [r5]\n vstr d31, [r5, #8]\n"
	"vpop {d8-d15}\n pop {r4-r11, pc}\n .ltorg\n");

static void frames(void)
{
	static const struct { void *handler; unsigned long flags; } rows[] = {{on_arm, SA_SIGINFO}, {on_thumb, SA_SIGINFO}, {on_old, 0}, {on_old, SA_NODEFER}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t d[2] = {0x1111222233334444, 0x5555666677778888};
		uint32_t out[4];
		set(rows[i].handler, rows[i].flags);
		old_flags = 0;
		change_fpscr = i == 1 ? 1 << 24 : 0;
		int before = count;
		if (rows[i].handler == on_arm) {
			// by kill, whose siginfo has the sender.
			CHECK(kill(getpid(), SIGUSR1) == 0);
			CHECK(count == before + 1);
			continue;
		}
		changes = 1;
		CHECK(raise_values(getpid(), syscall(SYS_gettid), d, out) == 0);
		changes = 0;
		CHECK(count == before + 1);
		CHECK(d[0] == 0x1111222233334444 + 5 && d[1] == 0x5555666677778888 + 7);
		CHECK(seen_d[9] == 0x1111222233334444 && seen_d[31] == 0x5555666677778888);
		CHECK((out[0] & 0xf80f0000) == 0xf80f0000 && out[1] == 0x88888888 && out[2] == 0xaaaaaaaa);
		// oldmask, r0 (the call's result), r8, r10, r7, cpsr: all flags, user mode, A32.
		CHECK(seen[3] == 0 && seen[3 + 8] == 0x88888888 && seen[3 + 10] == 0xaaaaaaaa && seen[3 + 7] == 268);
		CHECK((seen[19] & 0xf80f023f) == 0xf80f0010);
		CHECK(old_flags == (rows[i].flags & SA_SIGINFO ? 0 : 0x5ac3c35a));
		CHECK((out[3] & 1 << 24) == (change_fpscr & 1 << 24));
		__asm__ volatile("vmsr fpscr, %0" ::"r"(0));
	}
	set(on_old_thumb, 0);
	int before = count;
	raise(SIGUSR1);
	CHECK(count == before + 1);
	puts("frames");
}

// An IT block that a signal interrupts goes on with its conditions.
static volatile uint32_t it_cpsr;
static void skip(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info;
	ucontext_t *uc = context;
	it_cpsr = uc->uc_mcontext.arm_cpsr;
	CHECK(uc->uc_mcontext.arm_pc == (uintptr_t)info->si_addr && !(uc->uc_mcontext.arm_pc & 1));
	uc->uc_mcontext.arm_pc += 2;
	// ITSTATE of the next instruction: the last of the block.
	uint32_t it = (it_cpsr >> 25 & 3) | (it_cpsr >> 8 & 0xfc);
	it = (it & 0xe0) | (it << 1 & 0x1f);
	uc->uc_mcontext.arm_cpsr = (it_cpsr & ~0x0600fc00) | (it & 3) << 25 | (it & 0xfc) << 8;
	count++;
}
uint32_t in_block(uint32_t a);
__asm__(".text\n.thumb\n.syntax unified\n.global in_block\n.type in_block, %function\n.thumb_func\n"
	"in_block:\n movs r1, #0\n cmp r0, #5\n itete eq\n addeq r1, #1\n addne r1, #2\n .inst.n 0xde02\n addne r1, #4\n mov r0, r1\n bx lr\n.arm\n");
static void it_blocks(void)
{
	struct sigaction a = {.sa_sigaction = skip, .sa_flags = SA_SIGINFO};
	CHECK(sigaction(SIGILL, &a, NULL) == 0);
	int before = count;
	// UDF is executed where its condition holds.
	CHECK(in_block(5) == 1 && count == before + 1);
	CHECK((it_cpsr & 0x20) && (it_cpsr & 0x0600fc00));
	CHECK(in_block(6) == 6);
	puts("IT blocks");
}

// Calls that signals interrupt are made again in either instruction set.
static void nothing(int signo) { (void)signo, count++; }
ARM static long arm_read(int fd, void *p, long n)
{
	register long r0 __asm__("r0") = fd;
	register void *r1 __asm__("r1") = p;
	register long r2 __asm__("r2") = n, r7 __asm__("r7") = SYS_read;
	__asm__ volatile("svc #0" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r7) : "memory");
	return r0;
}
long thumb_read(int fd, void *p, long n);
__asm__(".text\n.thumb\n.global thumb_read\n.type thumb_read, %function\n.thumb_func\nthumb_read:\n push {r7, lr}\n movs r7, #3\n svc #0\n pop {r7, pc}\n.arm\n");
static int pipes[2];
static pthread_t reader;
static void *sender(void *arg)
{
	for (int i = 0; i < 5; i++) {
		usleep(20000);
		pthread_kill(reader, SIGUSR2);
	}
	usleep(20000);
	CHECK(write(pipes[1], "x", 1) == 1);
	return arg;
}
static void restarts(void)
{
	CHECK(pipe(pipes) == 0);
	reader = pthread_self();
	for (int i = 0; i < 4; i++) {
		struct sigaction a = {.sa_handler = nothing, .sa_flags = i & 1 ? SA_RESTART : SA_RESTART | SA_NODEFER};
		CHECK(sigaction(SIGUSR2, &a, NULL) == 0);
		int before = count;
		char c = 0;
		pthread_t t;
		CHECK(pthread_create(&t, NULL, sender, NULL) == 0);
		CHECK((i & 2 ? thumb_read : arm_read)(pipes[0], &c, 1) == 1 && c == 'x');
		CHECK(pthread_join(t, NULL) == 0 && count > before);
	}
	puts("restarts");
}

// Documentation/arch/arm/kernel_user_helpers.rst.
typedef int cmpxchg(int old, int new, volatile int *p);
typedef int cmpxchg64(const int64_t *old, const int64_t *new, volatile int64_t *p);
#define CMPXCHG ((cmpxchg *)0xffff0fc0)
#define CMPXCHG64 ((cmpxchg64 *)0xffff0f60)
#define BARRIER ((void (*)(void))0xffff0fa0)
#define GET_TLS ((void *(*)(void))0xffff0fe0)
static volatile int word;
static volatile int64_t wide __attribute__((aligned(8)));
static void *adds(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		int old;
		do
			old = word;
		while (CMPXCHG(old, old + 1, &word) != 0);
		int64_t from, to;
		do {
			from = wide;
			to = from + 0x100000001;
		} while (CMPXCHG64(&from, &to, &wide) != 0);
	}
	return arg;
}
static void helpers(void)
{
	CHECK(*(volatile int *)0xffff0ffc == 5);
	word = 7;
	CHECK(CMPXCHG(6, 9, &word) != 0 && word == 7 && CMPXCHG(7, 9, &word) == 0 && word == 9);
	uint32_t carry;
	register int r0 __asm__("r0") = 9, r1 __asm__("r1") = 10;
	register volatile int *r2 __asm__("r2") = &word;
	__asm__ volatile("movw r3, #0x0fc0\n movt r3, #0xffff\n blx r3\n mov %1, #0\n adc %1, %1, #0" : "+r"(r0), "=&r"(carry) : "r"(r1), "r"(r2) : "r3", "r12", "lr", "cc", "memory");
	CHECK(r0 == 0 && carry == 1 && word == 10);
	int64_t a = 5, b = 6;
	wide = 4;
	CHECK(CMPXCHG64(&a, &b, &wide) != 0 && wide == 4);
	a = 4;
	CHECK(CMPXCHG64(&a, &b, &wide) == 0 && wide == 6);
	BARRIER();
	CHECK(GET_TLS() == __builtin_thread_pointer());
	word = 0, wide = 0;
	pthread_t t[3];
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&t[i], NULL, adds, NULL) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	CHECK(word == 6000 && wide == 6000 * 0x100000001ll);
	puts("helpers");
}

static volatile int caught, code;
static void *volatile address;
static void note(int signo, siginfo_t *info, void *context)
{
	(void)context;
	caught = signo, code = info->si_code, address = info->si_addr;
}
static void private_calls(void)
{
	struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	CHECK(sigaction(SIGTRAP, &a, NULL) == 0 && sigaction(SIGILL, &a, NULL) == 0);
	void *tls = __builtin_thread_pointer();
	CHECK((void *)syscall(0xf0006) == tls || errno == ENOSYS);
	// set_tls, and the register that it sets; nothing may use thread-local storage in between.
	register long r0 __asm__("r0") = 0x1234, r7 __asm__("r7") = 0xf0005;
	long got;
	__asm__ volatile("svc #0\n mrc p15, 0, %1, c13, c0, 3\n mov r0, %2\n svc #0" : "+r"(r0), "=&r"(got) : "r"(tls), "r"(r7) : "memory");
	CHECK(got == 0x1234 && __builtin_thread_pointer() == tls);
	CHECK(syscall(0xf0002, 0x10000, 0x11000, 0) == 0);
	FAILS(syscall(0xf0002, 0x11000, 0x10000, 0), EINVAL);
	FAILS(syscall(0xf0002, 0x10000, 0x11000, 1), EINVAL);
	FAILS(syscall(0xf0003), ENOSYS);
	FAILS(syscall(0xf07ff), ENOSYS);
	FAILS(syscall(500), ENOSYS);
	FAILS(syscall(-1), ENOSYS);
	// Beyond those there is no such call: OABI's numbers are among them.
	caught = 0;
	syscall(0x900004);
	CHECK(caught == SIGILL && code == 4 /* ILL_ILLTRP */ && address != NULL && (*(uint16_t *)address == 0xdf00 || *(uint32_t *)address == 0xef000000));
	puts("calls");
}

static sigjmp_buf refused;
static void refuse(int signo)
{
	(void)signo;
	siglongjmp(refused, 1);
}
#define READS(instruction) \
	(sigsetjmp(refused, 1) == 0 ? ({ unsigned long low, high = 0; __asm__ volatile(instruction : "=r"(low), "+r"(high)); (long)low; }) : -1l)

// System registers that programs may read under Linux, and others. Libraries read PMUSERENR before they read a counter.
static void registers(void)
{
	CHECK(signal(SIGILL, refuse) != SIG_ERR);
	CHECK(READS("mrc p15, 0, %0, c9, c14, 0 @ PMUSERENR") == 0);
	CHECK(READS("mrc p15, 0, %0, c14, c0, 0 @ CNTFRQ") > 0);
	CHECK(READS("mrrc p15, 1, %0, %1, c14 @ CNTVCT") != -1);
	CHECK(READS("mrrc p15, 0, %0, %1, c14 @ CNTPCT") == -1);
	CHECK(READS("mrc p15, 0, %0, c9, c13, 0 @ PMCCNTR") == -1);
	CHECK(READS("mrc p15, 0, %0, c9, c12, 0 @ PMCR") == -1);
	CHECK(READS("mrc p15, 0, %0, c0, c0, 0 @ MIDR") == -1);
	CHECK(READS("mrc p15, 0, %0, c0, c0, 1 @ CTR") == -1);
	CHECK(READS("mrc p15, 0, %0, c13, c0, 4 @ TPIDRPRW") == -1);
	CHECK(READS("mrc p14, 0, %0, c0, c1, 0 @ DBGDSCRint") == -1);
	CHECK(READS("mcr p15, 0, %1, c9, c14, 0 @ PMUSERENR\n mov %0, #0") == -1);
	CHECK(READS("mcr p15, 0, %1, c13, c0, 3 @ TPIDRURO\n mov %0, #0") == -1);
	CHECK(READS("mcr p15, 0, %1, c13, c0, 2 @ TPIDRURW\n mrc p15, 0, %0, c13, c0, 2") == 0);
	puts("registers");
}

static void processor(void)
{
	struct utsname u;
	CHECK(uname(&u) == 0);
	printf("%s %s\n", u.machine, (char *)getauxval(AT_PLATFORM));
	printf("%lx %lx\n", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
	CHECK(getauxval(AT_PAGESZ) == 4096 && getauxval(AT_PHENT) == 32 && getauxval(AT_SECURE) == 0 && getauxval(AT_RANDOM) != 0);
	CHECK(personality(0xffffffff) == 0 || personality(0xffffffff) == 0x0040000);
	char line[400];
	FILE *f = fopen("/proc/cpuinfo", "r");
	CHECK(f);
	for (int i = 0; i < 4 && fgets(line, sizeof line, f); i++)
		fputs(line, stdout);
	fclose(f);
}

int main(int argc, char **argv)
{
	(void)argc, (void)argv;
	frames();
	it_blocks();
	restarts();
	helpers();
	private_calls();
	registers();
	processor();
	if (getenv("QEMU_CPU") == NULL) {
		static const char *models[] = {"arm926", "arm1176", "cortex-a7", "max"};
		for (int i = 0; i < 4; i++) {
			fflush(stdout);
			pid_t child = fork();
			if (child == 0) {
				setenv("QEMU_CPU", models[i], 1);
				execl(getenv("TEST_SELF"), "again", NULL);
				_exit(9);
			}
			int status;
			CHECK(waitpid(child, &status, 0) == child && status == 0);
		}
	}
	return 0;
}
