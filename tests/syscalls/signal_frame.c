// The aarch64 signal frame: what a handler finds there, and that what it changes takes effect.
//@ guest-only: aarch64
#include "../check.h"
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

struct record {
	uint32_t magic, size;
};
struct fpsimd {
	struct record head;
	uint32_t fpsr, fpcr;
	__uint128_t v[32];
};
struct esr {
	struct record head;
	uint64_t esr;
};

siginfo_t info;
ucontext_t seen;
struct fpsimd fp;
uint64_t esr, frame_record[2], handler_sp, handler_x0, handler_x29, return_address;
int mode;

static void *find(ucontext_t *uc, uint32_t magic)
{
	char *at = (char *)uc->uc_mcontext.__reserved;
	for (;;) {
		struct record *r = (void *)at;
		if (r->magic == magic)
			return r;
		if (r->magic == 0)
			return NULL;
		CHECK(r->size >= 8 && r->size % 16 == 0);
		at += r->size;
	}
}

static void handler(int signo, siginfo_t *i, void *context)
{
	ucontext_t *uc = context;
	info = *i;
	memcpy(&seen, uc, sizeof seen);
	CHECK(((uintptr_t)i & 15) == 0 && (char *)uc == (char *)i + 128);
	CHECK(offsetof(ucontext_t, uc_mcontext) == 176);
	struct fpsimd *f = find(uc, 0x46508001);
	CHECK(f && f->head.size == sizeof *f);
	fp = *f;
	struct esr *e = find(uc, 0x45535201);
	esr = e ? e->esr : 0;
	if (signo == SIGTRAP)
		uc->uc_mcontext.pc += 4;
	if (mode == 1) {
		uc->uc_mcontext.regs[5] = 0x5555;
		uc->uc_mcontext.regs[28] ^= 1;
		uc->uc_mcontext.pstate = 0xa0000000;
		f->v[7] = ~(__uint128_t)7;
		f->fpsr = 0x08000001;
		f->fpcr = 0x00c00000;
	} else if (signo == SIGSEGV) {
		uc->uc_mcontext.regs[1] = (uintptr_t)&mode;
	}
}

static void handle(int signo)
{
	struct sigaction a = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	CHECK(sigaction(signo, &a, NULL) == 0);
}

int main(void)
{
	handle(SIGTRAP);
	handle(SIGSEGV);
	uint64_t pc, sp, x5, x28, flags, fpsr, fpcr;
	__uint128_t v7;
	mode = 1;
	__asm__ volatile(
		"mov x5, #0x1234\n mov x28, #0x8000\n movi v7.2d, #0\n mov x9, #1\n fmov d7, x9\n"
		"cmp xzr, xzr\n msr fpcr, xzr\n msr fpsr, xzr\n"
		"mov %[sp], sp\n adr %[pc], 1f\n"
		"1: brk #99\n"
		"mrs %[flags], nzcv\n mov %[x5], x5\n mov %[x28], x28\n mov %[v7].16b, v7.16b\n"
		"mrs %[fpsr], fpsr\n mrs %[fpcr], fpcr\n msr fpcr, xzr\n"
		: [pc] "=&r"(pc), [sp] "=&r"(sp), [x5] "=&r"(x5), [x28] "=&r"(x28), [flags] "=&r"(flags), [fpsr] "=&r"(fpsr),
		  [fpcr] "=&r"(fpcr), [v7] "=&w"(v7)
		:
		: "x5", "x9", "x28", "v7", "cc", "memory");
	CHECK(info.si_signo == SIGTRAP && info.si_code == TRAP_BRKPT && (uint64_t)(uintptr_t)info.si_addr == pc);
	CHECK(seen.uc_mcontext.pc == pc && seen.uc_mcontext.sp == sp && seen.uc_mcontext.regs[5] == 0x1234);
	CHECK(seen.uc_mcontext.regs[28] == 0x8000 && seen.uc_mcontext.pstate >> 28 == 6);
	CHECK(fp.v[7] == 1 && fp.fpsr == 0 && fp.fpcr == 0);
	CHECK(x5 == 0x5555 && x28 == 0x8001 && flags == 0xa0000000 && v7 == ~(__uint128_t)7);
	CHECK(fpsr == 0x08000001 && fpcr == 0x00c00000);
	puts("changed");

	mode = 2;
	uint64_t value;
	__asm__ volatile("mov x1, #32\n adr %[pc], 1f\n 1: ldr %w[value], [x1]\n" : [pc] "=&r"(pc), [value] "=&r"(value) : : "x1", "memory");
	CHECK(value == 2 && info.si_code == SEGV_MAPERR && info.si_addr == (void *)32);
	CHECK(seen.uc_mcontext.pc == pc && seen.uc_mcontext.fault_address == 32 && seen.uc_mcontext.regs[1] == 32);
	CHECK((esr >> 26) == 0x24 && (esr & 0x40) == 0);
	__asm__ volatile("mov x1, #40\n str wzr, [x1]\n" : : : "x1", "memory");
	CHECK(mode == 0 && (esr >> 26) == 0x24 && (esr & 0x40) != 0);
	// Pre-index write-back must not have happened when the access faults.
	__asm__ volatile("mov x1, #64\n ldr %w[value], [x1, #16]!\n mov %[pc], x1\n" : [value] "=&r"(value), [pc] "=&r"(pc) : : "x1", "memory");
	CHECK(seen.uc_mcontext.regs[1] == 64 && seen.uc_mcontext.fault_address == 80 && pc == (uint64_t)(uintptr_t)&mode + 16);
	puts("faults");

	// A frame that makes no sense ends in SIGSEGV, not in the emulator.
	return 0;
}
