// Faults and traps on riscv64: signal number, code, address; the state in the frame is what the instructions before left, and can be changed.
//@ guest-only: riscv64
#include "signals.h"
#include <stddef.h>

static volatile int length;
static uint64_t regs[32], fregs[32];
static uint32_t fcsr;
static void *return_to;

static void handler(int s, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	struct __riscv_mc_d_ext_state *d = &uc->uc_mcontext.__fpregs.__d;
	CHECK(((uintptr_t)info & 15) == 0 && (char *)uc == (char *)info + 128 && offsetof(ucontext_t, uc_mcontext) == 176);
	note(s, info);
	memcpy(regs, uc->uc_mcontext.__gregs, sizeof regs);
	memcpy(fregs, d->__f, sizeof fregs);
	fcsr = d->__fcsr;
	// Behind the floating-point state: a reserved word, and either a vector record or the end of the list.
	uint32_t *extra = (uint32_t *)((char *)&uc->uc_mcontext.__fpregs + 516);
	CHECK(extra[0] == 0 && (extra[1] == 0 || extra[1] == 0x53465457));
	if (length)
		uc->uc_mcontext.__gregs[0] += length;
	else
		uc->uc_mcontext.__gregs[0] = (uintptr_t)return_to;
	uc->uc_mcontext.__gregs[7] = 0x7777;
	d->__f[3] = 0x4008000000000000;
	d->__fcsr = 2 << 5 | 1;
}

// t0, t2, ft4 are set; t5 is the address; flags are underflow and inexact (3), rounding downwards (2).
#define TRY(text, bytes, signal, sicode, address, ...)                                                                        \
	do {                                                                                                                  \
		uint64_t place, seven, f3, fc;                                                                                \
		got = 0, length = bytes;                                                                                      \
		__asm__ volatile("li t0, 0x111\n li t2, 0x222\n fmv.d.x ft3, x0\n li t4, 0x444\n fmv.d.x ft4, t4\n"           \
				 "li t4, 0x43\n fscsr t4\n la t4, 1f\n mv t5, %4\n"                                           \
				 "1: " text "\n"                                                                              \
				 "mv %0, t4\n mv %1, t2\n fmv.x.d %2, ft3\n frcsr %3\n fscsr x0\n"                            \
				 : "=&r"(place), "=&r"(seven), "=&r"(f3), "=&r"(fc)                                           \
				 : "r"((uint64_t)(address))                                                                   \
				 : "t0", "t2", "t3", "t4", "t5", "t6", "ft3", "ft4", "memory");                               \
		CHECK(got == signal);                                                                                         \
		CHECK(code == sicode);                                                                                        \
		CHECK(regs[0] == place && seven == 0x7777 && f3 == 0x4008000000000000 && fc == 0x41);                         \
		CHECK(regs[5] == 0x111 && regs[7] == 0x222 && regs[29] == place && regs[30] == (uint64_t)(address));          \
		CHECK(fregs[3] == 0 && fregs[4] == 0x444 && fcsr == 0x43);                                                    \
		__VA_ARGS__;                                                                                                  \
		printf("%s\n", text);                                                                                         \
	} while (0)

int main(void)
{
	set_up();
	TRY("ld t3, 0(t5)", 4, SIGSEGV, SEGV_MAPERR, 64, CHECK(at == (void *)64));
	TRY("ld t3, 24(t5)", 4, SIGSEGV, SEGV_ACCERR, none, CHECK(at == none + 24));
	TRY("lb t5, 25(t5)", 4, SIGSEGV, SEGV_ACCERR, none, CHECK(at == none + 25));
	TRY("sd t3, 40(t5)", 4, SIGSEGV, SEGV_ACCERR, rom, CHECK(at == rom + 40));
	TRY("fld ft4, 16(t5)", 4, SIGSEGV, SEGV_ACCERR, none, CHECK(at == none + 16));
	TRY("fsw ft4, 20(t5)", 4, SIGSEGV, SEGV_ACCERR, rom, CHECK(at == rom + 20));
	TRY("lr.d t3, (t5)", 4, SIGSEGV, SEGV_ACCERR, none, CHECK(at == none));
	TRY("amoadd.d t5, t0, (t5)", 4, SIGSEGV, SEGV_ACCERR, rom, CHECK(at == rom));
	TRY("amoswap.w t5, t0, (t5)", 4, SIGSEGV, SEGV_ACCERR, none, CHECK(at == none));
	TRY("ld t3, 8(t5)", 4, SIGBUS, BUS_ADRERR, beyond, CHECK(at == beyond + 8));
	TRY("sb t0, 5(t5)", 4, SIGBUS, BUS_ADRERR, beyond, CHECK(at == beyond + 5));
	// Exclusives and atomic operations that are not aligned: Linux tells the instruction's address.
	static _Alignas(16) uint64_t words[4];
	char *odd = (char *)words;
#define MISALIGNED(text, offset) TRY(text, 4, SIGBUS, BUS_ADRALN, odd + offset, CHECK((uint64_t)at == regs[0]))
	MISALIGNED("lr.w t3, (t5)", 2);
	MISALIGNED("lr.d t3, (t5)", 4);
	MISALIGNED("sc.w t3, t0, (t5)", 1);
	MISALIGNED("sc.d t3, t0, (t5)", 4);
	MISALIGNED("amoadd.w t5, t0, (t5)", 3);
	MISALIGNED("amoadd.d x0, t0, (t5)", 12);
	MISALIGNED("amoswap.d.aqrl t3, t0, (t5)", 4);
	MISALIGNED("amomaxu.d t3, t0, (t5)", 2);
	MISALIGNED("amoand.w t3, t0, (t5)", 6);
	MISALIGNED(".insn r 0x2f, 1, 0, t3, t5, t0", 1);     // amoadd.h
	MISALIGNED(".insn r 0x2f, 2, 0x14, t3, t5, t0", 2);  // amocas.w
	MISALIGNED(".insn r 0x2f, 3, 0x14, t3, t5, t0", 4);  // amocas.d
	MISALIGNED(".insn r 0x2f, 4, 0x14, t3, t5, s0", 8);  // amocas.q
	TRY(".option push\n.option norvc\n9: lr.w t3, (t5)\n bne t3, x0, 8f\n sc.w t3, t0, (t5)\n bne t3, x0, 9b\n8: .option pop", 16, SIGBUS, BUS_ADRALN, odd + 2, CHECK((uint64_t)at == regs[0]));
	CHECK(words[0] == 0 && words[1] == 0 && words[2] == 0);
	TRY(".2byte 0", 2, SIGILL, ILL_ILLOPC, 0, CHECK((uint64_t)at == regs[0]));
	TRY(".4byte 0x0000007f", 4, SIGILL, ILL_ILLOPC, 0, CHECK((uint64_t)at == regs[0]));
	TRY("csrrw x0, 0x300, t0", 4, SIGILL, ILL_ILLOPC, 0, CHECK((uint64_t)at == regs[0]));
	TRY("csrrw x0, cycle, t0", 4, SIGILL, ILL_ILLOPC, 0, CHECK((uint64_t)at == regs[0]));
	TRY("mret", 4, SIGILL, ILL_ILLOPC, 0, CHECK((uint64_t)at == regs[0]));
	TRY(".2byte 0x9002", 2, SIGTRAP, TRAP_BRKPT, 0, CHECK((uint64_t)at == regs[0]));
	TRY(".4byte 0x00100073", 4, SIGTRAP, TRAP_BRKPT, 0, CHECK((uint64_t)at == regs[0]));
	// A jump into nothing: the address is the target, and the link register tells where from.
	length = 0, got = 0;
	__asm__ volatile("la t4, 1f\n sd t4, %0\n jalr ra, %1\n 1:\n" : "=m"(return_to) : "r"(none + 16) : "t2", "t4", "ra", "ft3", "memory");
	CHECK(got == SIGSEGV && code == SEGV_ACCERR && at == none + 16 && regs[0] == (uint64_t)none + 16 && regs[1] == (uint64_t)return_to);
	puts("jump");
	// An instruction that reaches into a page that cannot be executed: the address is the page's.
	uint16_t *text = mmap(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *last = text + 2047;
	CHECK(text != MAP_FAILED);
	last[0] = 0x0513, last[1] = 0x0015, last[2] = 0x8082; // addi a0, a0, 1; ret
	__asm__ volatile("fence.i" : : : "memory");
	long (*across)(long) = (long (*)(long))last;
	CHECK(across(4) == 5);
	for (int what = 0; what < 4; what++) {
		char *bad = what == 3 ? (char *)last : (char *)(text + 2048);
		CHECK(mprotect(what == 3 ? text : text + 2048, 4096, what == 1 ? PROT_NONE : PROT_READ) == 0);
		if (what == 2)
			CHECK(munmap(text + 2048, 4096) == 0);
		got = 0;
		__asm__ volatile("la t4, 1f\n sd t4, %0\n jalr ra, %1\n 1:\n" : "=m"(return_to) : "r"(last) : "t2", "t4", "a0", "ra", "ft3", "memory");
		CHECK(got == SIGSEGV && code == (what == 2 ? SEGV_MAPERR : SEGV_ACCERR) && at == bad && regs[0] == (uint64_t)last);
		// One of two bytes ends before it.
		if (what < 3) {
			last[0] = 0x8082;
			__asm__ volatile("fence.i" : : : "memory");
			CHECK(across(4) == 4);
			last[0] = 0x0513;
			__asm__ volatile("fence.i" : : : "memory");
		}
	}
	// The lowest bit of the target does not count.
	__asm__ volatile("la t4, 1f\n jalr ra, 1(t4)\n 1:\n" ::: "t4", "ra", "memory");
	// Division by zero does not trap, misaligned accesses work, also over the end of a page.
	int64_t quotient, remainder;
	__asm__ volatile("li t0, 5\n div %0, t0, x0\n rem %1, t0, x0\n" : "=&r"(quotient), "=&r"(remainder) : : "t0");
	CHECK(quotient == -1 && remainder == 5);
	char *two = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t value = 0x1122334455667788, back;
	__asm__ volatile("sd %1, -3(%2)\n ld %0, -3(%2)\n" : "=&r"(back) : "r"(value), "r"(two + 4096) : "memory");
	CHECK(back == value);
	puts("done");
	return 0;
}
