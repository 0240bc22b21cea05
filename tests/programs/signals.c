// Faults and traps: signal number, code, address; the state in the frame is what the instructions before left, and can be changed.
//@ guest-only: aarch64
#include "signals.h"

static volatile int resume_by;
static uint64_t regs[31], sp, pc, pstate;
static struct fpsimd_context fp;

static void handler(int s, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	note(s, info);
	memcpy(regs, uc->uc_mcontext.regs, sizeof regs);
	sp = uc->uc_mcontext.sp, pc = uc->uc_mcontext.pc, pstate = uc->uc_mcontext.pstate;
	memcpy(&fp, uc->uc_mcontext.__reserved, sizeof fp);
	CHECK(fp.head.magic == 0x46508001 && fp.head.size == sizeof fp);
	uc->uc_mcontext.pc += resume_by;
	uc->uc_mcontext.regs[7] = 0x7777;
	((struct fpsimd_context *)uc->uc_mcontext.__reserved)->vregs[3] = (__uint128_t)5 << 64 | 9;
}

#define TRY(text, signal, sicode, address, ...)                                                                            \
	do {                                                                                                               \
		uint64_t place, seven, v3;                                                                                 \
		got = 0, resume_by = 4;                                                                                    \
		__asm__ volatile("mov x1, 0x111\n mov x7, 0x222\n movi v3.2d, #0\n movi v4.16b, #0x44\n cmp x1, x7\n"      \
				 "adr x9, 1f\n mov x10, %3\n 1: " text "\n mov %0, x9\n mov %1, x7\n mov %2, v3.d[1]\n"    \
				 : "=&r"(place), "=&r"(seven), "=&r"(v3)                                                   \
				 : "r"((uint64_t)(address))                                                                \
				 : "x1", "x2", "x3", "x7", "x8", "x9", "x10", "x11", "v3", "v4", "memory", "cc");          \
		CHECK(got == signal);                                                                                      \
		CHECK(code == sicode);                                                                                     \
		CHECK(pc == place && seven == 0x7777 && v3 == 5);                                                          \
		CHECK(regs[1] == 0x111 && regs[7] == 0x222 && regs[9] == place);                                           \
		CHECK(pstate >> 28 == 8);                                                                                  \
		CHECK((uint64_t)fp.vregs[4] == 0x4444444444444444);                                                        \
		__VA_ARGS__;                                                                                               \
		printf("%s\n", text);                                                                                      \
	} while (0)

int main(void)
{
	set_up();
	*(uint64_t *)(ram + 16) = 0x1234;
	TRY("ldr x2, [x10]", SIGSEGV, SEGV_MAPERR, 64, CHECK(at == (void *)64));
	TRY("ldr x2, [x10, 24]", SIGSEGV, SEGV_ACCERR, none, CHECK(at == none + 24));
	TRY("str x2, [x10, 40]", SIGSEGV, SEGV_ACCERR, rom, CHECK(at == rom + 40));
	TRY("ldp x1, x7, [x10, 8]!", SIGSEGV, SEGV_ACCERR, none, CHECK(regs[10] == (uint64_t)none));
	TRY("ldr x7, [x10], 8", SIGSEGV, SEGV_ACCERR, none, CHECK(regs[10] == (uint64_t)none));
	TRY("stp q3, q4, [x10, 32]!", SIGSEGV, SEGV_ACCERR, rom, CHECK(regs[10] == (uint64_t)rom && at == rom + 32));
	TRY("ld4 {v3.16b, v4.16b, v5.16b, v6.16b}, [x10], 64", SIGSEGV, SEGV_ACCERR, none, CHECK(regs[10] == (uint64_t)none));
	TRY("ldaxr x2, [x10]", SIGSEGV, SEGV_ACCERR, none, CHECK(at == none));
	TRY("ldr x2, [x10]", SIGBUS, BUS_ADRERR, beyond, CHECK(at == beyond));
	TRY("strb w1, [x10, 5]", SIGBUS, BUS_ADRERR, beyond, CHECK(at == beyond + 5));
	TRY("udf 0", SIGILL, ILL_ILLOPC, 0, CHECK((uint64_t)at == pc));
	TRY(".inst 0x00001234", SIGILL, ILL_ILLOPC, 0, CHECK((uint64_t)at == pc));
	TRY("brk 7", SIGTRAP, TRAP_BRKPT, 0, CHECK((uint64_t)at == pc));
	// A jump into nothing: the address is the target, and the link register tells where from.
	resume_by = 0;
	volatile int zero = 0;
	printf("division %d\n", 7 / (zero | 1));
	__asm__ volatile("mov x1, 5\n sdiv x1, x1, xzr\n" ::: "x1");
	puts("done");
	return 0;
}
