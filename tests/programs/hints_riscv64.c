// Instructions of riscv64 that do nothing to the registers, those that only programs notice (FENCE.I, EBREAK), and the control and status registers in all forms
// of their instructions, as Linux lets user level have them.
//@ guest-only: riscv64
//@ variants: static interp
#include "../check.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

typedef uint64_t u64;

// Loads x1 to x30 but sp, gp, tp from the array, runs the code, stores them.
void run(u64 *regs, const void *code);
__asm__(".text\n.globl run\nrun:\naddi sp, sp, -112\n"
	"sd ra, 0(sp)\nsd s0, 8(sp)\nsd s1, 16(sp)\nsd s2, 24(sp)\nsd s3, 32(sp)\nsd s4, 40(sp)\nsd s5, 48(sp)\nsd s6, 56(sp)\nsd s7, 64(sp)\n"
	"sd s8, 72(sp)\nsd s9, 80(sp)\nsd s10, 88(sp)\nsd s11, 96(sp)\nsd a0, 104(sp)\nmv t6, a1\nmv t5, a0\n"
	"ld t0, 40(t5)\nld t1, 48(t5)\nld t2, 56(t5)\nld s0, 64(t5)\nld s1, 72(t5)\nld a0, 80(t5)\nld a1, 88(t5)\nld a2, 96(t5)\nld a3, 104(t5)\n"
	"ld a4, 112(t5)\nld a5, 120(t5)\nld a6, 128(t5)\nld a7, 136(t5)\nld s2, 144(t5)\nld s3, 152(t5)\nld s4, 160(t5)\nld s5, 168(t5)\nld s6, 176(t5)\n"
	"ld s7, 184(t5)\nld s8, 192(t5)\nld s9, 200(t5)\nld s10, 208(t5)\nld s11, 216(t5)\nld t3, 224(t5)\nld t4, 232(t5)\nld t5, 240(t5)\n"
	"jalr t6\nld t6, 104(sp)\n"
	"sd t0, 40(t6)\nsd t1, 48(t6)\nsd t2, 56(t6)\nsd s0, 64(t6)\nsd s1, 72(t6)\nsd a0, 80(t6)\nsd a1, 88(t6)\nsd a2, 96(t6)\nsd a3, 104(t6)\n"
	"sd a4, 112(t6)\nsd a5, 120(t6)\nsd a6, 128(t6)\nsd a7, 136(t6)\nsd s2, 144(t6)\nsd s3, 152(t6)\nsd s4, 160(t6)\nsd s5, 168(t6)\nsd s6, 176(t6)\n"
	"sd s7, 184(t6)\nsd s8, 192(t6)\nsd s9, 200(t6)\nsd s10, 208(t6)\nsd s11, 216(t6)\nsd t3, 224(t6)\nsd t4, 232(t6)\nsd t5, 240(t6)\n"
	"ld ra, 0(sp)\nld s0, 8(sp)\nld s1, 16(sp)\nld s2, 24(sp)\nld s3, 32(sp)\nld s4, 40(sp)\nld s5, 48(sp)\nld s6, 56(sp)\nld s7, 64(sp)\n"
	"ld s8, 72(sp)\nld s9, 80(sp)\nld s10, 88(sp)\nld s11, 96(sp)\naddi sp, sp, 112\nret\n");

static sigjmp_buf out;
static u64 at;
static void caught(int signo, siginfo_t *info, void *context)
{
	(void)context;
	at = (u64)info->si_addr;
	siglongjmp(out, signo);
}

static uint32_t *code, *next;
static u64 regs[32];

static void clear(void) { next = code; }

// Words are put one after another, each with a return; those of 16 bits with C.NOP.
static uint32_t *put(uint32_t word)
{
	uint32_t *here = next;
	*next++ = (word & 3) == 3 ? word : word | 0x10000;
	*next++ = 0x00008067;
	return here;
}

static int play(const uint32_t *here)
{
	int signo = sigsetjmp(out, 1);
	if (!signo)
		run(regs, here);
	return signo;
}

static void fresh(void)
{
	for (int i = 0; i < 32; i++)
		regs[i] = 0x0123456789abcdef * (i + 1);
	// An address for those that have one.
	regs[10] = (u64)code + 40;
}

static void nothing(uint32_t *from)
{
	__asm__ volatile("fence.i" ::: "memory");
	for (uint32_t *here = from; here < next; here += 2) {
		u64 old[32];
		fresh();
		memcpy(old, regs, sizeof old);
		if (play(here) != 0 || memcmp(old, regs, sizeof old) != 0) {
			printf("%08x does something\n", *here);
			exit(1);
		}
	}
	clear();
}

#define CBO_CLEAN 0x0010200f
#define CBO_FLUSH 0x0020200f

static void hints(void)
{
	clear();
	// FENCE with all predecessors, successors and modes, PAUSE among them, and with registers that are reserved.
	for (uint32_t n = 0; n < 4096; n++)
		put(n << 20 | 0x0f);
	for (uint32_t n = 0; n < 4096; n += 17)
		put(n << 20 | 12 << 7 | 11 << 15 | 0x0f);
	nothing(code);
	put(0x100f), put(0xfff5960f);
	put(CBO_CLEAN | 10 << 15), put(CBO_FLUSH | 10 << 15);
	// WRS.NTO and WRS.STO without a reservation.
	put(0x00d00073), put(0x01d00073);
	// PREFETCH.I, R, W, valid address or not.
	for (uint32_t kind = 0; kind < 4; kind++)
		for (uint32_t rs1 = 0; rs1 < 32; rs1++)
			put(0x6013 | kind << 20 | rs1 << 15 | (rs1 * 37 & 0x7f) << 25);
	nothing(code);
	// OP-IMM, OP-IMM-32, OP, OP-32, LUI, AUIPC with x0 as their destination; NTL.* among them.
	for (uint32_t f3 = 0; f3 < 8; f3++)
		for (uint32_t rs = 0; rs < 32; rs++) {
			put(0x13 | f3 << 12 | rs << 15 | 5 << 20);
			if (f3 == 0 || f3 == 1 || f3 == 5)
				put(0x1b | f3 << 12 | rs << 15 | 5 << 20), put(0x3b | f3 << 12 | rs << 15 | 11 << 20);
			put(0x33 | f3 << 12 | 10 << 15 | rs << 20), put(0x33 | f3 << 12 | rs << 20), put(0x02000033 | f3 << 12 | rs << 15);
		}
	put(0x12345037), put(0xfffff037), put(0x12345017), put(0x17);
	nothing(code);
	// C.NOP and C.ADDI of zero, C.LI, C.LUI, C.SLLI, C.MV, C.ADD to x0, shifts by zero, C.MOP.n.
	for (uint32_t n = 0; n < 32; n++) {
		put(0x0001 | n << 2), put(0x1001 | n << 2), put(0x0001 | n << 7);
		put(0x4001 | n << 2), put(0x5001 | n << 2);
		if (n)
			put(0x6001 | n << 2), put(0x8002 | n << 2), put(0x9002 | n << 2);
		put(0x7001 | n << 2), put(0x0002 | n << 2), put(0x1002 | n << 2), put(0x0002 | n << 7);
	}
	for (uint32_t n = 0; n < 8; n++)
		put(0x8001 | n << 7), put(0x8401 | n << 7), put(0x6081 | n << 8);
	nothing(code);
	// MOP.R and MOP.RR write zero; to x0 nothing.
	for (uint32_t n = 0; n < 32; n++)
		put(0x81c04073 | (n >> 4) << 30 | (n >> 2 & 3) << 26 | (n & 3) << 20 | 10 << 15);
	for (uint32_t n = 0; n < 8; n++)
		put(0x82004073 | (n >> 2) << 30 | (n & 3) << 26 | 10 << 15 | 11 << 20);
	nothing(code);
}

// What faults, and where: CBO on memory that is not there, and EBREAK.
static void faults(void)
{
	clear();
	uint32_t *words[] = { put(CBO_CLEAN | 10 << 15), put(CBO_FLUSH | 10 << 15), put(0x00100073), put(0x9002), put(0x0000200f | 10 << 15) };
	int want[] = { SIGSEGV, SIGSEGV, SIGTRAP, SIGTRAP, SIGILL };
	__asm__ volatile("fence.i" ::: "memory");
	for (int i = 0; i < 5; i++) {
		fresh();
		regs[10] = 0x100008;
		CHECK(play(words[i]) == want[i]);
		CHECK(at == (i < 2 ? 0x100008 : (u64)words[i]));
	}
}

// Code that changes while it runs.
static void fence_i(void)
{
	clear();
	uint32_t *here = put(0x13);
	for (int i = 0; i < 100; i++) {
		fresh();
		*here = 0x00000513 | i << 20; // li a0, i
		__asm__ volatile("fence.i" ::: "memory");
		CHECK(play(here) == 0 && regs[10] == (u64)i);
	}
}

enum { FFLAGS = 1, FRM, FCSR, VSTART = 8, VXSAT, VXRM, VCSR = 15 };
static u64 fflags, frm, vxsat, vxrm, vstart;
static u64 get(int csr)
{
	switch (csr) {
	case FFLAGS: return fflags;
	case FRM: return frm;
	case FCSR: return frm << 5 | fflags;
	case VSTART: return vstart;
	case VXSAT: return vxsat;
	case VXRM: return vxrm;
	default: return vxrm << 1 | vxsat;
	}
}
static void set(int csr, u64 v)
{
	switch (csr) {
	case FFLAGS: fflags = v & 31; break;
	case FRM: frm = v & 7; break;
	case FCSR: fflags = v & 31, frm = v >> 5 & 7; break;
	case VSTART: vstart = v & 127; break;
	case VXSAT: vxsat = v & 1; break;
	case VXRM: vxrm = v & 3; break;
	default: vxsat = v & 1, vxrm = v >> 1 & 3;
	}
}

static u64 seed = 88172645463325252ull;
static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static void csrs(void)
{
	static const int numbers[] = { FFLAGS, FRM, FCSR, VSTART, VXSAT, VXRM, VCSR };
	// All forms: number, operation, destination x0, a2 or the source; source x0, a0, or (an immediate) 0, 10, 31.
	static const uint32_t sources[] = { 0, 10, 31 };
	uint32_t *words[7][8][3][3];
	clear();
	for (int c = 0; c < 7; c++)
		for (uint32_t op = 1; op < 8; op++)
			for (int d = 0; d < 3; d++)
				for (int s = 0; s < (op < 4 ? 2 : 3); s++)
					words[c][op][d][s] = op == 4 ? 0 : put((uint32_t)numbers[c] << 20 | sources[s] << 15 | op << 12 | (d == 0 ? 0 : d == 1 ? 12 : 10) << 7 | 0x73);
	__asm__ volatile("fence.i" ::: "memory");
	for (int c = 0; c < 7; c++) {
		set(numbers[c], 0);
		fresh();
		CHECK(play(words[c][5][0][0]) == 0);
	}
	for (int n = 0; n < 20000; n++) {
		int c = rnd() % 7, op = 1 + rnd() % 7, d = rnd() % 3, s = rnd() % (op < 4 ? 2 : 3);
		if (op == 4)
			continue;
		fresh();
		u64 a0 = rnd() % 3 ? rnd() >> (rnd() & 63) : rnd() & 1 ? 0 : ~0ull, a2 = regs[12];
		regs[10] = a0;
		u64 old = get(numbers[c]), operand = op > 4 ? sources[s] : s ? a0 : 0;
		CHECK(play(words[c][op][d][s]) == 0);
		CHECK(regs[12] == (d == 1 ? old : a2) && regs[10] == (d == 2 ? old : a0));
		set(numbers[c], (op & 3) == 1 ? operand : (op & 3) == 2 ? old | operand : old & ~operand);
		for (int k = 0; k < 7; k++) {
			CHECK(play(words[k][2][1][0]) == 0);
			CHECK(regs[12] == get(numbers[k]));
		}
	}
	fresh();
	CHECK(play(words[2][5][0][0]) == 0 && play(words[3][5][0][0]) == 0 && play(words[6][5][0][0]) == 0);
}

// Registers that can be read only, and those that are not for user level.
static void other_csrs(void)
{
	static const uint32_t readable[] = { 0xc01, 0xc20, 0xc21, 0xc22 };
	clear();
	for (int i = 0; i < 4; i++) {
		uint32_t *reads[] = { put(readable[i] << 20 | 0x2673), put(readable[i] << 20 | 0x3673), put(readable[i] << 20 | 0x6673), put(readable[i] << 20 | 0x7673) };
		uint32_t *writes[] = { put(readable[i] << 20 | 0x1673), put(readable[i] << 20 | 10 << 15 | 0x2673), put(readable[i] << 20 | 10 << 15 | 0x3673),
			put(readable[i] << 20 | 0x5073), put(readable[i] << 20 | 1 << 15 | 0x6673), put(readable[i] << 20 | 1 << 15 | 0x7673) };
		uint32_t *vsetivli = put(0xcc32f057); // vsetivli x0, 5, e8, m8, ta, ma
		__asm__ volatile("fence.i" ::: "memory");
		static const u64 want[] = { 0, 5, 0xc3, 16 };
		u64 last = 0;
		for (int k = 0; k < 4; k++) {
			fresh();
			CHECK(play(vsetivli) == 0 && play(reads[k]) == 0);
			CHECK(i ? regs[12] == want[i] : regs[12] >= last && regs[12]);
			last = regs[12];
		}
		for (int k = 0; k < 6; k++) {
			fresh();
			regs[10] = 0;
			CHECK(play(writes[k]) == SIGILL && at == (u64)writes[k]);
		}
	}
	// The counters that Linux keeps, hpmcounters, those of other levels, and numbers without a register.
	static const uint32_t closed[] = { 0xc00, 0xc02, 0xc03, 0xc1f, 0xc80, 0x000, 0x004, 0x005, 0x011, 0x015, 0x017, 0x100, 0x105, 0x180, 0x300, 0x305, 0x7c0, 0x800, 0xb00, 0xf11, 0xf14 };
	clear();
	for (unsigned i = 0; i < sizeof closed / sizeof *closed; i++) {
		uint32_t *here = put(closed[i] << 20 | 0x2673);
		__asm__ volatile("fence.i" ::: "memory");
		fresh();
		CHECK(play(here) == SIGILL && at == (u64)here);
	}
}

int main(void)
{
	code = mmap(0, 1 << 20, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction act = { .sa_sigaction = caught, .sa_flags = SA_NODEFER | SA_SIGINFO };
	int signals[] = { SIGILL, SIGSEGV, SIGBUS, SIGTRAP };
	for (int i = 0; i < 4; i++)
		sigaction(signals[i], &act, 0);
	hints();
	faults();
	fence_i();
	csrs();
	other_csrs();
	return 0;
}
