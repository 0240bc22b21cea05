// System instructions and registers of user level: what each reads, which bits it keeps, which are undefined; DC ZVA and the cache instructions.
//@ guest-only: aarch64
#include "../check.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

static sigjmp_buf back;
static siginfo_t info;
static void on_signal(int signo, siginfo_t *i, void *context)
{
	(void)context;
	info = *i;
	siglongjmp(back, signo);
}

#define READ(name) ({ uint64_t v; asm volatile("mrs %0, " name : "=r"(v)); v; })
#define WRITE(name, value) asm volatile("msr " name ", %0" : : "r"((uint64_t)(value)) : "cc")
#define SIGNAL_OF(statement) ({ volatile int s = sigsetjmp(back, 1); if (s == 0) { statement; } s; })
#define UNDEFINED_READ(name) CHECK(SIGNAL_OF(READ(name)) == SIGILL && info.si_code == ILL_ILLOPC)
#define UNDEFINED_WRITE(name) CHECK(SIGNAL_OF(WRITE(name, 0)) == SIGILL)

static void registers(void)
{
	CHECK(READ("ctr_el0") == 0x9444c004 && READ("dczid_el0") == 4);
	CHECK(READ("midr_el1") == 0x413fd0c1 && READ("mpidr_el1") == 1ull << 31 && READ("revidr_el1") == 0);
	// ID registers without fields for user level read as Linux gives them: zero, or the least value.
	CHECK(READ("id_aa64dfr0_el1") == 6 && READ("id_aa64mmfr0_el1") == 0x111ff000000 && (READ("id_aa64mmfr1_el1") | READ("id_aa64mmfr2_el1") | READ("id_aa64pfr1_el1") | READ("id_aa64dfr1_el1") | READ("s3_0_c0_c4_4") | READ("s3_0_c0_c7_7")) == 0);
	// Those of AArch32, which the processor does not have.
	CHECK((READ("mvfr0_el1") | READ("mvfr1_el1") | READ("mvfr2_el1") | READ("id_isar0_el1") | READ("id_isar5_el1") | READ("s3_0_c0_c3_4")) == 0);
	UNDEFINED_READ("s3_0_c0_c0_1");
	UNDEFINED_READ("s3_0_c0_c1_0");
	UNDEFINED_READ("s3_0_c0_c8_0");
	UNDEFINED_READ("sctlr_el1");
	UNDEFINED_READ("ttbr0_el1");
	UNDEFINED_READ("daif");
	UNDEFINED_READ("currentel");
	UNDEFINED_READ("cntkctl_el1");
	UNDEFINED_READ("pmccntr_el0");
	UNDEFINED_READ("pmcr_el0");
	UNDEFINED_READ("cntpct_el0");
	UNDEFINED_READ("cntv_ctl_el0");
	UNDEFINED_READ("s3_3_c14_c0_5"); // CNTPCTSS_EL0
	UNDEFINED_READ("s3_3_c14_c0_6"); // CNTVCTSS_EL0
	UNDEFINED_READ("s3_3_c2_c4_0");  // RNDR
	UNDEFINED_READ("s3_3_c2_c4_1");  // RNDRRS
	UNDEFINED_READ("s3_3_c4_c2_5");  // DIT
	UNDEFINED_READ("s3_3_c4_c2_6");  // SSBS
	UNDEFINED_READ("s3_3_c13_c0_5"); // TPIDR2_EL0
	UNDEFINED_READ("s3_3_c13_c0_7"); // SCXTNUM_EL0
	UNDEFINED_WRITE("midr_el1");
	UNDEFINED_WRITE("id_aa64isar0_el1");
	UNDEFINED_WRITE("dczid_el0");
	UNDEFINED_WRITE("cntfrq_el0");
	UNDEFINED_WRITE("ctr_el0");
	UNDEFINED_WRITE("tpidrro_el0");
	UNDEFINED_WRITE("cntvct_el0");
	UNDEFINED_WRITE("vbar_el1");
	// The kernel keeps zero there for 64-bit programs.
	CHECK(READ("tpidrro_el0") == 0);
	uint64_t tp = READ("tpidr_el0");
	WRITE("tpidr_el0", tp);
	CHECK((void *)tp == __builtin_thread_pointer());
	// The counter goes with CLOCK_MONOTONIC.
	uint64_t hz = READ("cntfrq_el0"), from = READ("cntvct_el0"), last = from;
	for (int i = 0; i < 1000; i++) {
		uint64_t now = READ("cntvct_el0");
		CHECK(now >= last);
		last = now;
	}
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t after = READ("cntvct_el0");
	unsigned __int128 ns = (unsigned __int128)last * 1000000000 / hz, clock = t.tv_sec * 1000000000ull + t.tv_nsec;
	CHECK(ns <= clock && clock <= (unsigned __int128)after * 1000000000 / hz + 1);
}

// The whole space of identification registers (op0 = 3, CRn = 0): what Linux emulates (arch/arm64/kernel/cpufeature.c, is_emulated and emulate_id_reg) and what
// EL0 reads by itself reads as something, all else is undefined.
static void identification(void)
{
	uint32_t *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(code != MAP_FAILED);
	code[1] = 0xd65f03c0; // ret
	for (uint32_t op1 = 0; op1 < 8; op1++)
		for (uint32_t crm = 0; crm < 16; crm++)
			for (uint32_t op2 = 0; op2 < 8; op2++) {
				code[0] = 0xd5380000 | op1 << 16 | crm << 8 | op2 << 5; // mrs x0, s3_op1_c0_crm_op2
				__builtin___clear_cache((char *)code, (char *)(code + 2));
				int emulated = op1 == 0 && (crm == 0 ? op2 == 0 || op2 == 5 || op2 == 6 : crm >= 2 && crm <= 7);
				int readable = op1 == 3 && crm == 0 && (op2 == 1 || op2 == 7);
				volatile uint64_t value = -1;
				int signo = SIGNAL_OF(value = ((uint64_t (*)(void))code)());
				if (signo != (emulated || readable ? 0 : SIGILL))
					printf("s3_%u_c0_c%u_%u: signal %d\n", op1, crm, op2, signo);
				int known = readable || (crm == 0 && op2 != 6) || (crm == 4 && op2 == 0) || (crm == 5 && op2 == 0) || (crm == 6 && op2 < 2) || (crm == 7 && op2 == 0);
				if (signo == 0 && (value != 0) != known)
					printf("s3_%u_c0_c%u_%u: %lx\n", op1, crm, op2, (long)value);
				// None can be written.
				code[0] &= ~(1u << 21);
				__builtin___clear_cache((char *)code, (char *)(code + 2));
				if (SIGNAL_OF(((uint64_t (*)(void))code)()) != SIGILL)
					printf("s3_%u_c0_c%u_%u can be written\n", op1, crm, op2);
			}
	CHECK(munmap(code, 4096) == 0);
}

static void flags(void)
{
	WRITE("nzcv", ~0ull);
	CHECK(READ("nzcv") == 0xf0000000);
	for (uint64_t f = 0; f < 16; f++) {
		WRITE("nzcv", f << 28);
		CHECK(READ("nzcv") == f << 28);
	}
	// FPCR: AHP, DN, FZ, RMode, FZ16. Traps are not there; the others read as zero.
	WRITE("fpcr", ~0ull);
	CHECK(READ("fpcr") == (1 << 26 | 1 << 25 | 1 << 24 | 3 << 22 | 1 << 19));
	WRITE("fpcr", 0);
	CHECK(READ("fpcr") == 0);
	WRITE("fpsr", ~0ull);
	CHECK(READ("fpsr") == (1 << 27 | 0x9f));
	WRITE("fpsr", 0);
	CHECK(READ("fpsr") == 0);
	volatile double one = 1, zero = 0;
	volatile double inf = one / zero;
	(void)inf;
	CHECK(READ("fpsr") == 2);
	WRITE("fpsr", 0);
}

static void zero_blocks(void)
{
	int block = 4 << READ("dczid_el0");
	char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	for (int at = 0; at < 300; at += 7) {
		memset(p, 0x55, 512);
		asm volatile("dc zva, %0" : : "r"(p + at) : "memory");
		int from = at / block * block;
		for (int i = 0; i < 512; i++)
			CHECK(p[i] == (i >= from && i < from + block ? 0 : 0x55));
	}
	asm volatile("dc zva, %0" : : "r"((uintptr_t)p | 0x12ull << 56) : "memory");
	CHECK(p[0] == 0 && p[block - 1] == 0 && p[block] == 0x55);
	CHECK(SIGNAL_OF(asm volatile("dc zva, xzr" : : : "memory")) == SIGSEGV && info.si_addr == NULL && info.si_code == SEGV_MAPERR);
	CHECK(mprotect(p + 4096, 4096, PROT_READ) == 0);
	CHECK(SIGNAL_OF(asm volatile("dc zva, %0" : : "r"(p + 4096 + block) : "memory")) == SIGSEGV && info.si_code == SEGV_ACCERR);
	CHECK((uintptr_t)info.si_addr / block == (uintptr_t)(p + 4096 + block) / block);
	// Cleaning and prefetching change nothing.
	memset(p, 0x55, 256);
	asm volatile("dc cvac, %0\n dc cvau, %0\n dc civac, %0\n prfm pldl1keep, [%0]\n prfm pstl2strm, [%0, #64]\n prfum plil1keep, [%0, #-3]" : : "r"(p + 70) : "memory");
	asm volatile("prfm pldl1keep, [%0]" : : "r"(8ull) : "memory");
	for (int i = 0; i < 256; i++)
		CHECK(p[i] == 0x55);
	// Those of other levels are undefined.
	CHECK(SIGNAL_OF(asm volatile("dc ivac, %0" : : "r"(p))) == SIGILL);
	CHECK(SIGNAL_OF(asm volatile("ic iallu")) == SIGILL);
	CHECK(SIGNAL_OF(asm volatile("tlbi vmalle1")) == SIGILL);
	CHECK(SIGNAL_OF(asm volatile("msr daifset, #2")) == SIGILL);
	CHECK(SIGNAL_OF(asm volatile("hvc #0")) == SIGILL);
	CHECK(SIGNAL_OF(asm volatile("smc #0")) == SIGILL);
	CHECK(SIGNAL_OF(asm volatile("eret")) == SIGILL);
	CHECK(SIGNAL_OF(asm volatile("udf #0")) == SIGILL);
	CHECK(SIGNAL_OF(asm volatile("brk #1")) == SIGTRAP && info.si_code == TRAP_BRKPT);
}

// Code that is changed: a line is what IC IVAU names, whichever address in it is told; the change counts after ISB, at the latest.
static void changed_code(void)
{
	uint32_t *p = mmap(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	int line = 4 << (READ("ctr_el0") & 15);
	int (*f)(void) = (int (*)(void))p;
	for (int i = 0; i < 2000; i++) {
		p[0] = 0x52800000 | i << 5; // mov w0, #i
		p[1] = 0xd65f03c0;          // ret
		asm volatile("dc cvau, %0\n dsb ish\n ic ivau, %0\n dsb ish\n isb" : : "r"((char *)p + i * 13 % line) : "memory");
		CHECK(f() == i);
	}
	asm volatile("ic ivau, %0\n isb" : : "r"((uintptr_t)p | 0x7full << 56) : "memory");
	// A loop that changes the instruction after the one that announces it: each turn runs the new one.
	// x0 = code, w1 = first word, x2 = turns; returns the sum.
	static const uint32_t loop[] = {
		0xaa1f03e4, // mov x4, xzr
		0x10000005, // adr x5, . (8 words further on: patched below)
		0xb90000a1, // str w1, [x5]
		0xd50b7b25, // dc cvau, x5
		0xd5033b9f, // dsb ish
		0xd50b7525, // ic ivau, x5
		0xd5033b9f, // dsb ish
		0xd5033fdf, // isb
		0xd2800003, // mov x3, #0: the one that changes
		0x8b030084, // add x4, x4, x3
		0x11008021, // add w1, w1, #32: the next constant
		0xf1000442, // subs x2, x2, #1
		0x54fffec1, // b.ne to adr
		0xaa0403e0, // mov x0, x4
		0xd65f03c0, // ret
	};
	uint32_t *q = p + 1024;
	memcpy(q, loop, sizeof loop);
	q[1] = 0x10000005 | 7 << 5;                    // adr x5, the mov
	q[12] = 0x54000001 | (uint32_t)(-11 & 0x7ffff) << 5; // b.ne to adr
	__builtin___clear_cache((char *)q, (char *)q + sizeof loop);
	uint64_t (*g)(void *, uint32_t, uint64_t) = (void *)q;
	CHECK(g(q, 0xd2800003 | 5 << 5, 100) == 100 * 5 + 99 * 100 / 2);
	// Memory that may not be executed, or not be read.
	CHECK(f() == 1999);
	CHECK(mprotect(p, 8192, PROT_READ | PROT_WRITE) == 0);
	CHECK(SIGNAL_OF(f()) == SIGSEGV && info.si_code == SEGV_ACCERR && info.si_addr == (void *)p);
	CHECK(mprotect(p, 8192, PROT_READ | PROT_EXEC) == 0 && f() == 1999);
	CHECK(mprotect(p, 8192, PROT_NONE) == 0);
	CHECK(SIGNAL_OF(f()) == SIGSEGV && info.si_code == SEGV_ACCERR && info.si_addr == (void *)p);
	CHECK(munmap(p, 8192) == 0);
	CHECK(SIGNAL_OF(f()) == SIGSEGV && info.si_code == SEGV_MAPERR && info.si_addr == (void *)p);
	static uint32_t data[] = { 0xd65f03c0 };
	CHECK(SIGNAL_OF(((void (*)(void))data)()) == SIGSEGV && info.si_code == SEGV_ACCERR && info.si_addr == (void *)data);
	CHECK(SIGNAL_OF(((void (*)(void))((uintptr_t)zero_blocks + 2))()) == SIGBUS && info.si_code == BUS_ADRALN);
}

int main(void)
{
	struct sigaction a = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	for (int s[] = { SIGILL, SIGSEGV, SIGTRAP, SIGBUS }, *p = s; p < s + 4; p++)
		CHECK(sigaction(*p, &a, NULL) == 0);
	registers();
	identification();
	flags();
	zero_blocks();
	changed_code();
	puts("done");
	return 0;
}
