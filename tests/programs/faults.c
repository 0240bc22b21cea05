// Loads, stores and atomic operations that fault, are repaired and go on: the address that the signal tells is exact, the registers are as they were before the
// instruction, and afterwards registers and memory are as without the fault. At each place around a border of pages, in memory that is missing or only readable.
// Exclusives, atomic operations, and ordered loads and stores must be aligned.
//@ guest-only: aarch64
#include "../check.h"
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

struct regs {
	uint64_t x[6];
	unsigned __int128 v[4];
};

// Calls `code` with x0 to x5 and v0 to v3 from a struct regs, and puts them back there.
void run(struct regs *r, const void *code);
asm(".pushsection .text\nrun: stp x29, x30, [sp, #-32]!\n str x0, [sp, #16]\n mov x9, x0\n mov x10, x1\n"
    "ldp q0, q1, [x9, #48]\n ldp q2, q3, [x9, #80]\n ldp x4, x5, [x9, #32]\n ldp x2, x3, [x9, #16]\n ldp x0, x1, [x9]\n blr x10\n"
    "ldr x9, [sp, #16]\n stp x0, x1, [x9]\n stp x2, x3, [x9, #16]\n stp x4, x5, [x9, #32]\n stp q0, q1, [x9, #48]\n stp q2, q3, [x9, #80]\n"
    "ldp x29, x30, [sp], #32\n ret\n.popsection");

// Kinds: what faults where the second page can only be read. LOAD: nothing. STORE: everything. LOOP: a sequence whose later store faults.
enum { LOAD, STORE, LOOP };
struct insn { const char *name; const void *code; int kind, before, bytes, align; };

// before: where the access begins, counted from x0; align: of what the address must be a multiple.
#define INSNS(X) \
	X(ldr_x, LOAD, 0, 8, 1, "ldr x1, [x0]") X(ldr_post, LOAD, 0, 8, 1, "ldr x1, [x0], #8") X(ldr_pre, LOAD, -9, 8, 1, "ldr x1, [x0, #-9]!") X(ldr_reg, LOAD, 0, 4, 1, "ldr w1, [x0, xzr]") \
	X(ldrh, LOAD, 0, 2, 1, "ldrh w1, [x0]") X(ldrsh, LOAD, 0, 2, 1, "ldrsh x1, [x0], #2") X(ldrsw, LOAD, 0, 4, 1, "ldrsw x1, [x0]") X(ldrb, LOAD, 0, 1, 1, "ldrb w1, [x0, #0]!") X(ldur, LOAD, -3, 8, 1, "ldur x1, [x0, #-3]") X(ldtr, LOAD, 0, 8, 1, "ldtr x1, [x0]") \
	X(ldr_self, LOAD, 0, 8, 1, "ldr x0, [x0]") X(ldr_q, LOAD, 0, 16, 1, "ldr q0, [x0], #16") X(ldr_d, LOAD, 0, 8, 1, "ldr d0, [x0]") X(ldr_s, LOAD, 4, 4, 1, "ldr s0, [x0, #4]!") X(ldr_h, LOAD, 0, 2, 1, "ldr h0, [x0]") X(ldr_b, LOAD, 0, 1, 1, "ldr b0, [x0], #1") \
	X(ldp, LOAD, 0, 16, 1, "ldp x1, x2, [x0]") X(ldp_w, LOAD, 8, 8, 1, "ldp w1, w2, [x0, #8]") X(ldpsw, LOAD, 0, 8, 1, "ldpsw x1, x2, [x0], #8") X(ldp_post, LOAD, 0, 16, 1, "ldp x1, x2, [x0], #16") X(ldp_pre, LOAD, 16, 16, 1, "ldp x1, x2, [x0, #16]!") X(ldp_pre_down, LOAD, -16, 16, 1, "ldp x1, x2, [x0, #-16]!") \
	X(ldp_base_first, LOAD, 0, 16, 1, "ldp x0, x1, [x0]") X(ldp_base_second, LOAD, 0, 16, 1, "ldp x1, x0, [x0]") X(ldp_w_base, LOAD, 0, 8, 1, "ldp w0, w1, [x0]") X(ldnp, LOAD, 0, 16, 1, "ldnp x1, x2, [x0]") X(ldp_q, LOAD, 0, 32, 1, "ldp q0, q1, [x0]") X(ldp_q_post, LOAD, 0, 32, 1, "ldp q0, q1, [x0], #32") X(ldp_q_pre, LOAD, -32, 32, 1, "ldp q0, q1, [x0, #-32]!") X(ldp_d, LOAD, 0, 16, 1, "ldp d0, d1, [x0], #16") X(ldp_s, LOAD, 0, 8, 1, "ldp s0, s1, [x0]") \
	X(ld1x4, LOAD, 0, 64, 1, "ld1 {v0.16b-v3.16b}, [x0], #64") X(ld1x3, LOAD, 0, 24, 1, "ld1 {v0.8b-v2.8b}, [x0], x1") X(ld2, LOAD, 0, 32, 1, "ld2 {v0.4s, v1.4s}, [x0], #32") X(ld3, LOAD, 0, 48, 1, "ld3 {v0.16b-v2.16b}, [x0], x1") X(ld4, LOAD, 0, 64, 1, "ld4 {v0.8h-v3.8h}, [x0]") X(ld4_lane, LOAD, 0, 8, 1, "ld4 {v0.h-v3.h}[3], [x0], #8") X(ld1_lane, LOAD, 0, 8, 1, "ld1 {v0.d}[1], [x0], #8") X(ld2r, LOAD, 0, 8, 1, "ld2r {v0.4s, v1.4s}, [x0], #8") \
	X(ldar, LOAD, 0, 8, 8, "ldar x1, [x0]") X(ldapr, LOAD, 0, 4, 4, "ldapr w1, [x0]") X(ldxr, LOAD, 0, 8, 8, "ldxr x1, [x0]") X(ldaxrb, LOAD, 0, 1, 1, "ldaxrb w1, [x0]") X(ldxp, LOAD, 0, 16, 16, "ldxp x1, x2, [x0]") X(ldxp_w, LOAD, 0, 8, 8, "ldxp w1, w2, [x0]") X(ldxr_self, LOAD, 0, 8, 8, "ldxr x0, [x0]") \
	X(str_x, STORE, 0, 8, 1, "str x1, [x0]") X(str_post, STORE, 0, 8, 1, "str x1, [x0], #8") X(str_pre, STORE, 16, 4, 1, "str w1, [x0, #16]!") X(strh, STORE, 0, 2, 1, "strh w1, [x0]") X(strb, STORE, 0, 1, 1, "strb w1, [x0], #1") X(str_zero, STORE, 0, 8, 1, "str xzr, [x0]") X(str_q, STORE, 0, 16, 1, "str q0, [x0], #16") X(str_d, STORE, -7, 8, 1, "stur d0, [x0, #-7]") \
	X(stp, STORE, 0, 16, 1, "stp x1, x2, [x0]") X(stp_post, STORE, 0, 16, 1, "stp x1, x2, [x0], #16") X(stp_pre, STORE, -16, 16, 1, "stp x1, x2, [x0, #-16]!") X(stp_w, STORE, 0, 8, 1, "stp w1, w2, [x0]") X(stp_base, STORE, 0, 16, 1, "stp x0, x1, [x0]") X(stp_q, STORE, 0, 32, 1, "stp q0, q1, [x0], #32") X(stp_q_pre, STORE, 32, 32, 1, "stp q0, q1, [x0, #32]!") X(stp_d, STORE, 0, 16, 1, "stp d0, d1, [x0]") X(stnp, STORE, 0, 16, 1, "stnp x1, x2, [x0]") \
	X(st1x4, STORE, 0, 64, 1, "st1 {v0.16b-v3.16b}, [x0], #64") X(st2, STORE, 0, 32, 1, "st2 {v0.16b, v1.16b}, [x0], x1") X(st3, STORE, 0, 24, 1, "st3 {v0.4h-v2.4h}, [x0]") X(st4, STORE, 0, 64, 1, "st4 {v0.4s-v3.4s}, [x0], #64") X(st4_lane, STORE, 0, 16, 1, "st4 {v0.s-v3.s}[1], [x0], x1") X(st1_lane, STORE, 0, 2, 1, "st1 {v0.h}[5], [x0], #2") \
	X(stlr, STORE, 0, 8, 8, "stlr x1, [x0]") X(stlrh, STORE, 0, 2, 2, "stlrh w1, [x0]") X(ldapur, LOAD, 3, 8, 8, "ldapur x1, [x0, #3]") X(stlur, STORE, -5, 4, 4, "stlur w1, [x0, #-5]") X(dc_zva, STORE, 0, 64, 64, "dc zva, x0") \
	X(cas_ok, STORE, 0, 8, 8, "cas x4, x1, [x0]") X(cas_other, STORE, 0, 8, 8, "cas x1, x2, [x0]") X(casab, STORE, 0, 1, 1, "casab w1, w2, [x0]") X(caspal, STORE, 0, 16, 16, "caspal x2, x3, x4, x5, [x0]") X(casp_w, STORE, 0, 8, 8, "casp w2, w3, w4, w5, [x0]") X(swp, STORE, 0, 8, 8, "swp x1, x2, [x0]") X(swpalh, STORE, 0, 2, 2, "swpalh w1, w1, [x0]") X(ldadd, STORE, 0, 8, 8, "ldadd x1, x2, [x0]") X(ldadd_base, STORE, 0, 8, 8, "ldadd x1, x0, [x0]") X(stadd, STORE, 0, 4, 4, "stadd w1, [x0]") X(ldset, STORE, 0, 4, 4, "ldset w1, w2, [x0]") X(ldclr, STORE, 0, 8, 8, "ldclral x1, x2, [x0]") X(ldeor, STORE, 0, 2, 2, "ldeorh w1, w2, [x0]") X(ldsmax, STORE, 0, 8, 8, "ldsmax x1, x2, [x0]") X(ldsmin, STORE, 0, 1, 1, "ldsminb w1, w2, [x0]") X(ldumax, STORE, 0, 4, 4, "ldumax w1, w2, [x0]") X(ldumin, STORE, 0, 8, 8, "ldumin x1, x2, [x0]") \
	X(loop_x, LOOP, 0, 8, 8, "1: ldxr x1, [x0]\n add x2, x1, #3\n stxr w3, x2, [x0]\n cbnz w3, 1b") X(loop_swap, LOOP, 0, 4, 4, "1: ldaxr w1, [x0]\n stlxr w3, w2, [x0]\n cbnz w3, 1b") X(loop_b, LOOP, 0, 1, 1, "1: ldaxrb w1, [x0]\n eor w2, w1, w4\n stlxrb w3, w2, [x0]\n cbnz w3, 1b") X(loop_pair, LOOP, 0, 16, 16, "1: ldaxp x1, x2, [x0]\n stlxp w3, x4, x5, [x0]\n cbnz w3, 1b") X(loop_long, LOOP, 0, 8, 8, "1: ldxr x1, [x0]\n mul x2, x1, x4\n rbit x2, x2\n ror x2, x2, #5\n crc32x w2, w2, x2\n stlxr w3, x2, [x0]\n cbnz w3, 1b")

#define DECLARE(n, kind, before, bytes, align, text) \
	asm(".arch armv8.4-a\n.pushsection .text\n.balign 4\ni_" #n ": " text "\n ret\n.popsection"); \
	extern const char i_##n[];
INSNS(DECLARE)
#define ROW(n, kind, before, bytes, align, text) { #n, i_##n, kind, before, bytes, align },
static const struct insn insns[] = { INSNS(ROW) };

static char *pages; // two pages
static struct regs before;
static volatile int faults, kind;
static volatile uintptr_t expected, end;
static const char *volatile name;
static volatile int offset;

#define IS(condition)                                                        \
	do {                                                                 \
		if (!(condition)) {                                          \
			printf("%s at %d: %s\n", name, offset, #condition);  \
			fflush(stdout);                                      \
			_Exit(1);                                            \
		}                                                            \
	} while (0)

static void repair(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	IS(signo == SIGSEGV && info->si_code == SEGV_ACCERR);
	// The elements of LD1 to ST4 may be accessed in any order.
	int any = name[2] >= '1' && name[2] <= '4';
	uintptr_t address = (uintptr_t)info->si_addr;
	if (any ? address < expected || address >= end : address != expected)
		printf("%s at %d: address %+ld\n", name, offset, (long)(address - expected)), fflush(stdout), _Exit(1);
	IS(uc->uc_mcontext.fault_address == address);
	// The base, and what is not loaded, must be as before; destinations of a load of several registers need not.
	for (int i = 0; i < 6; i++)
		IS(uc->uc_mcontext.regs[i] == before.x[i] || ((kind == LOAD || kind == LOOP) && i >= 1 && i <= 3));
	// The Arm manual leaves the state of a faulting store open to nothing: vector registers are its sources.
	struct fpsimd_context *fp = (void *)uc->uc_mcontext.__reserved;
	for (int i = 0; i < 4; i++)
		IS(fp->head.magic == FPSIMD_MAGIC && (fp->vregs[i] == before.v[i] || kind == LOAD));
	faults++;
	CHECK(mprotect(pages, 8192, PROT_READ | PROT_WRITE) == 0);
}

// What the accesses can reach.
enum { FROM = 4096 - 192, TO = 4096 + 192 };

static void fill(void)
{
	for (int i = FROM; i < TO; i++)
		pages[i] = (char)(i * 61 + (i >> 8) * 7);
}

static void prepare(struct regs *r, const struct insn *i, int at)
{
	*r = (struct regs){ .x = { (uintptr_t)pages + at - i->before, 0x1122334455667788, 0x99aabbccddeeff00, 0x1020304050607080, 0, 0x0ff0e1e2d3d4c5c6 } };
	// What CAS compares with, where it is to succeed.
	memcpy(&r->x[4], pages + at, 8);
	for (int n = 0; n < 4; n++)
		r->v[n] = ((unsigned __int128)0x0123456789abcdef << 64 | 0xfedcba9876543210) * (unsigned)(2 * n + 1);
	before = *r;
}

static void check(const struct insn *i, int at, int protect)
{
	char memory[TO - FROM];
	struct regs whole, r;
	name = i->name, offset = at - 4096, kind = i->kind;
	fill();
	prepare(&whole, i, at);
	run(&whole, i->code);
	memcpy(memory, pages + FROM, sizeof memory);
	fill();
	prepare(&r, i, at);
	expected = (uintptr_t)pages + (at < 4096 ? 4096 : at);
	end = (uintptr_t)pages + at + i->bytes;
	faults = 0;
	CHECK(mprotect(pages + 4096, 4096, protect) == 0);
	run(&r, i->code);
	int must = at + i->bytes > 4096 && (protect == PROT_NONE || i->kind != LOAD);
	CHECK(mprotect(pages, 8192, PROT_READ | PROT_WRITE) == 0);
	IS(faults == must);
	// The status of the store-exclusive is 0 either way at the end of its loop.
	IS(memcmp(&r, &whole, sizeof r) == 0);
	IS(memcmp(memory, pages + FROM, sizeof memory) == 0);
}

// An access that must be aligned and is not, wherever it lies: nothing changes, and the signal tells its address.
static void misalign(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	IS(signo == SIGBUS && info->si_code == BUS_ADRALN && (uintptr_t)info->si_addr == expected && uc->uc_mcontext.fault_address == expected);
	struct esr_context *esr = (void *)((char *)uc->uc_mcontext.__reserved + sizeof(struct fpsimd_context));
	// A data abort, its status an alignment fault.
	IS(esr->head.magic == ESR_MAGIC && esr->esr >> 26 == 0x24 && (esr->esr & 0x3f) == 0x21);
	faults++;
	uc->uc_mcontext.pc = uc->uc_mcontext.regs[30];
}

static void check_misaligned(const struct insn *i, int at, int protect)
{
	char memory[TO - FROM];
	struct regs r;
	name = i->name, offset = at - 4096, faults = 0;
	fill();
	memcpy(memory, pages + FROM, sizeof memory);
	prepare(&r, i, at);
	expected = (uintptr_t)pages + at;
	CHECK(mprotect(pages + 4096, 4096, protect) == 0);
	run(&r, i->code);
	CHECK(mprotect(pages + 4096, 4096, PROT_READ | PROT_WRITE) == 0);
	IS(faults == 1 && memcmp(&r, &before, sizeof r) == 0 && memcmp(memory, pages + FROM, sizeof memory) == 0);
}

int main(void)
{
	struct sigaction a = { .sa_sigaction = repair, .sa_flags = SA_SIGINFO }, b = { .sa_sigaction = misalign, .sa_flags = SA_SIGINFO };
	CHECK(sigaction(SIGSEGV, &a, NULL) == 0 && sigaction(SIGBUS, &b, NULL) == 0);
	pages = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(pages != MAP_FAILED);
	int count = 0;
	for (size_t n = 0; n < sizeof insns / sizeof *insns; n++)
		for (int at = 4096 - 72; at <= 4096 + 64; at++)
			// Near the border every place, further away some.
			if ((at > 4096 - insns[n].bytes - 2 && at < 4096 + 2) || at % 64 == 0) {
				if (at % insns[n].align == 0)
					check(&insns[n], at, PROT_NONE), check(&insns[n], at, PROT_READ);
				else if (insns[n].bytes <= 16) // DC ZVA takes any address.
					check_misaligned(&insns[n], at, PROT_NONE), check_misaligned(&insns[n], at, PROT_READ);
				else
					continue;
				count++;
			}
	printf("%zu instructions, %d places\n", sizeof insns / sizeof *insns, count);
	return 0;
}
