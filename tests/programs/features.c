// What the processor says that it has (AT_HWCAP, AT_HWCAP2, ID registers, /proc/cpuinfo) is what it has: of each feature all instructions, in every form that the
// assembler tells apart, run if it is told and are undefined if it is not.
//@ guest-only: aarch64
#include "../check.h"
#include <signal.h>
#include <sys/auxv.h>
#include <ucontext.h>
#include <unistd.h>

// Each function gets an aligned buffer in x0; it may use x0 to x15 and all vector registers that need not be kept.
#define CODE(name, text) \
	asm(".arch armv8.6-a+fp16+fp16fml+crypto+aes+sha3+sm4+rng+memtag+pauth+sve+ls64+ssbs\n.pushsection .text\n.balign 4\nf_" #name ":\n mov x15, x0\n" text "\n ret\nf_" #name "_end:\n.popsection"); \
	extern const uint32_t f_##name[], f_##name##_end[];

// A line for each of several words.
#define EACH2(m, a, b) m(a) m(b)
#define EACH4(m, a, b, c, d) m(a) m(b) m(c) m(d)
#define I(x) x "\n"

CODE(fp, I("fadd s0, s1, s2") I("fmadd d0, d1, d2, d3") I("fcvt d0, s1") I("frintm d0, d1") I("fcsel s0, s1, s2, eq") I("fsqrt d0, d1"))
CODE(asimd, I("add v0.16b, v1.16b, v2.16b") I("fmla v0.2d, v1.2d, v2.2d") I("tbl v0.16b, {v1.16b, v2.16b}, v3.16b") I("sqdmlal v0.4s, v1.4h, v2.h[3]"))
CODE(aes, I("aese v0.16b, v1.16b") I("aesd v0.16b, v1.16b") I("aesmc v0.16b, v1.16b") I("aesimc v0.16b, v1.16b"))
CODE(pmull, I("pmull v0.1q, v1.1d, v2.1d") I("pmull2 v0.1q, v1.2d, v2.2d"))
CODE(sha1, I("sha1c q0, s1, v2.4s") I("sha1p q0, s1, v2.4s") I("sha1m q0, s1, v2.4s") I("sha1h s0, s1") I("sha1su0 v0.4s, v1.4s, v2.4s") I("sha1su1 v0.4s, v1.4s"))
CODE(sha2, I("sha256h q0, q1, v2.4s") I("sha256h2 q0, q1, v2.4s") I("sha256su0 v0.4s, v1.4s") I("sha256su1 v0.4s, v1.4s, v2.4s"))
CODE(crc32, I("crc32b w1, w2, w3") I("crc32h w1, w2, w3") I("crc32w w1, w2, w3") I("crc32x w1, w2, x3") I("crc32cb w1, w2, w3") I("crc32ch w1, w2, w3") I("crc32cw w1, w2, w3") I("crc32cx w1, w2, x3"))

#define SIZES(op) I(op "b w1, w2, [x15]") I(op "h w1, w2, [x15]") I(op " w1, w2, [x15]") I(op " x1, x2, [x15]")
#define ORDERS(op) SIZES(op) SIZES(op "a") SIZES(op "l") SIZES(op "al")
#define PAIRS(op) I(op " w2, w3, w4, w5, [x15]") I(op " x2, x3, x4, x5, [x15]")
CODE(atomics, ORDERS("cas") ORDERS("swp") ORDERS("ldadd") ORDERS("ldclr") ORDERS("ldeor") ORDERS("ldset") ORDERS("ldsmax") ORDERS("ldsmin") ORDERS("ldumax") ORDERS("ldumin") PAIRS("casp") PAIRS("caspa") PAIRS("caspl") PAIRS("caspal"))

#define H3(op) I(op " h0, h1, h2")
#define H2(op) I(op " h0, h1")
#define HW(op) I(op " w1, h1") I(op " x1, h1")
CODE(fphp, H3("fadd") H3("fsub") H3("fmul") H3("fdiv") H3("fnmul") H3("fmax") H3("fmin") H3("fmaxnm") H3("fminnm") I("fmadd h0, h1, h2, h3") I("fmsub h0, h1, h2, h3") I("fnmadd h0, h1, h2, h3") I("fnmsub h0, h1, h2, h3")
	H2("fmov") H2("fabs") H2("fneg") H2("fsqrt") H2("frintn") H2("frintp") H2("frintm") H2("frintz") H2("frinta") H2("frintx") H2("frinti") H2("fcmp") H2("fcmpe") I("fcmp h1, #0.0") I("fcmpe h1, #0.0") I("fccmp h0, h1, #3, eq") I("fccmpe h0, h1, #3, ne") I("fcsel h0, h1, h2, gt")
	I("fmov h0, #1.5") I("fmov w1, h0") I("fmov x1, h0") I("fmov h0, w1") I("fmov h0, x1") HW("fcvtns") HW("fcvtnu") HW("fcvtps") HW("fcvtpu") HW("fcvtms") HW("fcvtmu") HW("fcvtzs") HW("fcvtzu") HW("fcvtas") HW("fcvtau") I("scvtf h0, w1") I("scvtf h0, x1") I("ucvtf h0, w1") I("ucvtf h0, x1")
	I("fcvtzs w1, h0, #3") I("fcvtzu x1, h0, #3") I("scvtf h0, w1, #3") I("ucvtf h0, x1, #3"))
#define V3(op) I(op " v0.4h, v1.4h, v2.4h") I(op " v0.8h, v1.8h, v2.8h")
#define V2(op) I(op " v0.4h, v1.4h") I(op " v0.8h, v1.8h")
#define V0(op) I(op " v0.4h, v1.4h, #0.0") I(op " v0.8h, v1.8h, #0.0") I(op " h0, h1, #0.0")
#define VE(op) I(op " v0.4h, v1.4h, v2.h[5]") I(op " v0.8h, v1.8h, v2.h[7]") I(op " h0, h1, v2.h[3]")
#define VI(op) V2(op) H2(op)
CODE(asimdhp, V3("fadd") V3("fsub") V3("fmul") V3("fdiv") V3("fmax") V3("fmin") V3("fmaxnm") V3("fminnm") V3("fmla") V3("fmls") V3("faddp") V3("fmaxp") V3("fminp") V3("fmaxnmp") V3("fminnmp")
	V3("fabd") H3("fabd") V3("fmulx") H3("fmulx") V3("fcmeq") H3("fcmeq") V3("fcmge") H3("fcmge") V3("fcmgt") H3("fcmgt") V3("facge") H3("facge") V3("facgt") H3("facgt") V3("frecps") H3("frecps") V3("frsqrts") H3("frsqrts")
	V0("fcmeq") V0("fcmge") V0("fcmgt") V0("fcmle") V0("fcmlt") VE("fmla") VE("fmls") VE("fmul") VE("fmulx")
	V2("fabs") V2("fneg") V2("fsqrt") V2("frintn") V2("frintp") V2("frintm") V2("frintz") V2("frinta") V2("frintx") V2("frinti") VI("frecpe") VI("frsqrte") H2("frecpx") VI("fcvtns") VI("fcvtnu") VI("fcvtps") VI("fcvtpu") VI("fcvtms") VI("fcvtmu") VI("fcvtzs") VI("fcvtzu") VI("fcvtas") VI("fcvtau") VI("scvtf") VI("ucvtf")
	I("fcvtzs v0.8h, v1.8h, #3") I("fcvtzu h0, h1, #3") I("scvtf v0.4h, v1.4h, #3") I("ucvtf h0, h1, #3") I("fmov v0.8h, #1.5") I("fmov v0.4h, #1.5") I("fmaxv h0, v1.8h") I("fminv h0, v1.4h") I("fmaxnmv h0, v1.8h") I("fminnmv h0, v1.4h") I("faddp h0, v1.2h") I("fmaxp h0, v1.2h") I("fminp h0, v1.2h") I("fmaxnmp h0, v1.2h") I("fminnmp h0, v1.2h"))
#define RDM(op) V3(op) I(op " v0.2s, v1.2s, v2.2s") I(op " v0.4s, v1.4s, v2.4s") VE(op) I(op " v0.4s, v1.4s, v2.s[1]") I(op " h0, h1, h2") I(op " s0, s1, s2") I(op " s0, s1, v2.s[3]")
CODE(asimdrdm, RDM("sqrdmlah") RDM("sqrdmlsh"))
CODE(jscvt, I("fjcvtzs w1, d0"))
#define FCMLA(r) I("fcmla v0.4h, v1.4h, v2.4h, #" r) I("fcmla v0.8h, v1.8h, v2.8h, #" r) I("fcmla v0.2s, v1.2s, v2.2s, #" r) I("fcmla v0.4s, v1.4s, v2.4s, #" r) I("fcmla v0.2d, v1.2d, v2.2d, #" r) \
	I("fcmla v0.4h, v1.4h, v2.h[1], #" r) I("fcmla v0.8h, v1.8h, v2.h[3], #" r) I("fcmla v0.4s, v1.4s, v2.s[1], #" r)
#define FCADD(r) I("fcadd v0.4h, v1.4h, v2.4h, #" r) I("fcadd v0.8h, v1.8h, v2.8h, #" r) I("fcadd v0.2s, v1.2s, v2.2s, #" r) I("fcadd v0.4s, v1.4s, v2.4s, #" r) I("fcadd v0.2d, v1.2d, v2.2d, #" r)
CODE(fcma, EACH4(FCMLA, "0", "90", "180", "270") EACH2(FCADD, "90", "270"))
CODE(lrcpc, I("ldaprb w1, [x15]") I("ldaprh w1, [x15]") I("ldapr w1, [x15]") I("ldapr x1, [x15]"))
CODE(dcpop, I("dc cvap, x15"))
CODE(sha3, I("eor3 v0.16b, v1.16b, v2.16b, v3.16b") I("bcax v0.16b, v1.16b, v2.16b, v3.16b") I("rax1 v0.2d, v1.2d, v2.2d") I("xar v0.2d, v1.2d, v2.2d, #5"))
CODE(sm3, I("sm3ss1 v0.4s, v1.4s, v2.4s, v3.4s") I("sm3tt1a v0.4s, v1.4s, v2.s[1]") I("sm3tt1b v0.4s, v1.4s, v2.s[1]") I("sm3tt2a v0.4s, v1.4s, v2.s[1]") I("sm3tt2b v0.4s, v1.4s, v2.s[1]") I("sm3partw1 v0.4s, v1.4s, v2.4s") I("sm3partw2 v0.4s, v1.4s, v2.4s"))
CODE(sm4, I("sm4e v0.4s, v1.4s") I("sm4ekey v0.4s, v1.4s, v2.4s"))
#define DOT(op) I(op " v0.2s, v1.8b, v2.8b") I(op " v0.4s, v1.16b, v2.16b") I(op " v0.2s, v1.8b, v2.4b[1]") I(op " v0.4s, v1.16b, v2.4b[3]")
CODE(asimddp, DOT("sdot") DOT("udot"))
CODE(sha512, I("sha512h q0, q1, v2.2d") I("sha512h2 q0, q1, v2.2d") I("sha512su0 v0.2d, v1.2d") I("sha512su1 v0.2d, v1.2d, v2.2d"))
CODE(sve, I("rdvl x1, #1") I("cntb x1") I("ptrue p0.b") I("mov z0.b, w1") I("ld1b z0.b, p0/z, [x15]"))
#define FHM(op) I(op " v0.2s, v1.2h, v2.2h") I(op " v0.4s, v1.4h, v2.4h") I(op " v0.2s, v1.2h, v2.h[1]") I(op " v0.4s, v1.4h, v2.h[7]")
CODE(asimdfhm, FHM("fmlal") FHM("fmlal2") FHM("fmlsl") FHM("fmlsl2"))
CODE(dit, I("msr dit, #1") I("mrs x1, dit") I("msr dit, x1"))
CODE(ilrcpc, I("ldapurb w1, [x15, #1]") I("ldapurh w1, [x15, #2]") I("ldapur w1, [x15, #4]") I("ldapur x1, [x15, #8]") I("ldapursb w1, [x15, #1]") I("ldapursb x1, [x15, #1]") I("ldapursh w1, [x15]") I("ldapursh x1, [x15]") I("ldapursw x1, [x15, #-4]") I("stlurb w1, [x15, #1]") I("stlurh w1, [x15]") I("stlur w1, [x15, #4]") I("stlur x1, [x15, #8]"))
CODE(flagm, I("cfinv") I("rmif x1, #5, #10") I("setf8 w1") I("setf16 w1"))
CODE(ssbs, I("msr ssbs, #1") I("mrs x1, ssbs") I("msr ssbs, x1"))
CODE(sb, I("sb"))
CODE(paca, I("pacia x1, x2") I("pacib x1, x2") I("pacda x1, x2") I("pacdb x1, x2") I("paciza x1") I("pacizb x1") I("pacdza x1") I("pacdzb x1") I("autia x1, x2") I("autib x1, x2") I("autda x1, x2") I("autdb x1, x2") I("autiza x1") I("autizb x1") I("autdza x1") I("autdzb x1") I("xpaci x1") I("xpacd x1") I("ldraa x1, [x15]") I("ldrab x1, [x15]"))
CODE(pacg, I("pacga x1, x2, x3"))
CODE(dcpodp, I("dc cvadp, x15"))
CODE(flagm2, I("xaflag") I("axflag"))
#define FRINT(op) I(op " s0, s1") I(op " d0, d1") I(op " v0.2s, v1.2s") I(op " v0.4s, v1.4s") I(op " v0.2d, v1.2d")
CODE(frint, FRINT("frint32x") FRINT("frint32z") FRINT("frint64x") FRINT("frint64z"))
CODE(i8mm, I("smmla v0.4s, v1.16b, v2.16b") I("ummla v0.4s, v1.16b, v2.16b") I("usmmla v0.4s, v1.16b, v2.16b") DOT("usdot") I("sudot v0.2s, v1.8b, v2.4b[1]") I("sudot v0.4s, v1.16b, v2.4b[3]"))
CODE(bf16, I("bfdot v0.2s, v1.4h, v2.4h") I("bfdot v0.4s, v1.8h, v2.8h") I("bfdot v0.2s, v1.4h, v2.2h[1]") I("bfdot v0.4s, v1.8h, v2.2h[3]") I("bfmmla v0.4s, v1.8h, v2.8h") I("bfmlalb v0.4s, v1.8h, v2.8h") I("bfmlalt v0.4s, v1.8h, v2.8h") I("bfmlalb v0.4s, v1.8h, v2.h[5]") I("bfmlalt v0.4s, v1.8h, v2.h[5]") I("bfcvt h0, s1") I("bfcvtn v0.4h, v1.4s") I("bfcvtn2 v0.8h, v1.4s"))
CODE(rng, I("mrs x1, rndr") I("mrs x1, rndrrs"))
CODE(mte, I("irg x1, x2") I("addg x1, x2, #16, #1") I("subg x1, x2, #16, #1") I("gmi x1, x2, x3") I("subp x1, x2, x3") I("stg x15, [x15]") I("ldg x1, [x15]") I("stzg x15, [x15]") I("st2g x15, [x15]") I("stgp x1, x2, [x15]"))
CODE(wfxt, I(".inst 0xd5031000 // wfet x0") I(".inst 0xd5031020 // wfit x0"))
CODE(ls64, I("ld64b x0, [x15]") I("st64b x0, [x15]") I("st64bv x8, x0, [x15]"))
CODE(mops, I(".inst 0x19c10442 // setp [x2]!, x1!, x1") I(".inst 0x19030441 // cpyfp [x1]!, [x3]!, x2!"))
CODE(cssc, I(".inst 0xdac02020 // abs x0, x1") I(".inst 0xdac01c20 // cnt x0, x1") I(".inst 0xdac01820 // ctz x0, x1") I(".inst 0x9ac26020 // smax x0, x1, x2") I(".inst 0x91c01420 // smax x0, x1, #5"))
CODE(lse128, I(".inst 0x193b8020 // swpp") I(".inst 0x19221020 // ldclrp") I(".inst 0x19223020 // ldsetp"))
CODE(lrcpc3, I(".inst 0xd9401821 // ldiapp x1, x0, [x1]"))
CODE(hbc, I(".inst 0x54000010 // bc.eq"))

struct feature { const char *name; int word, bit; const uint32_t *code, *end; };
#define F(name, word, bit) { #name, word, bit, f_##name, f_##name##_end }
// Word 0 is AT_HWCAP, word 1 AT_HWCAP2; -1: told nowhere yet, so it must not be there.
static const struct feature features[] = {
	F(fp, 0, 0), F(asimd, 0, 1), F(aes, 0, 3), F(pmull, 0, 4), F(sha1, 0, 5), F(sha2, 0, 6), F(crc32, 0, 7), F(atomics, 0, 8), F(fphp, 0, 9), F(asimdhp, 0, 10), F(asimdrdm, 0, 12), F(jscvt, 0, 13), F(fcma, 0, 14), F(lrcpc, 0, 15), F(dcpop, 0, 16),
	F(sha3, 0, 17), F(sm3, 0, 18), F(sm4, 0, 19), F(asimddp, 0, 20), F(sha512, 0, 21), F(sve, 0, 22), F(asimdfhm, 0, 23), F(dit, 0, 24), F(ilrcpc, 0, 26), F(flagm, 0, 27), F(ssbs, 0, 28), F(sb, 0, 29), F(paca, 0, 30), F(pacg, 0, 31),
	F(dcpodp, 1, 0), F(flagm2, 1, 7), F(frint, 1, 8), F(i8mm, 1, 13), F(bf16, 1, 14), F(rng, 1, 16), F(mte, 1, 18), F(wfxt, 1, 31), F(cssc, 1, 34), F(ls64, -1, 0), F(mops, 1, 43), F(hbc, 1, 44), F(lse128, 1, 47), F(lrcpc3, 1, 46),
};

static volatile int undefined;
static volatile uintptr_t undefined_at;
static void on_sigill(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	CHECK(signo == SIGILL && info->si_code == ILL_ILLOPC && (uintptr_t)info->si_addr == uc->uc_mcontext.pc);
	undefined++, undefined_at = uc->uc_mcontext.pc;
	uc->uc_mcontext.pc += 4;
}

static __attribute__((noinline)) void call(const uint32_t *code, void *buffer)
{
	register void *x0 asm("x0") = buffer;
	register const void *x16 asm("x16") = code;
	asm volatile("blr x16" : "+r"(x0), "+r"(x16) : : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x17", "x30", "v0", "v1", "v2", "v3", "cc", "memory");
}

// A field of an ID register: Linux lets user level read it.
#define FIELD(r, lsb) ({ uint64_t v; asm("mrs %0, " r : "=r"(v)); (int)(v >> (lsb) & 15); })
#define ISAR0 "s3_0_c0_c6_0"
#define ISAR1 "s3_0_c0_c6_1"
#define ISAR2 "s3_0_c0_c6_2"
#define PFR0 "s3_0_c0_c4_0"
#define PFR1 "s3_0_c0_c4_1"

int main(void)
{
	static __attribute__((aligned(64))) char buffer[256];
	struct sigaction a = { .sa_sigaction = on_sigill, .sa_flags = SA_SIGINFO };
	CHECK(sigaction(SIGILL, &a, NULL) == 0);
	uint64_t caps[2] = { getauxval(AT_HWCAP), getauxval(AT_HWCAP2) }, seen[2] = { 0 };
	char cpuinfo[4096] = "", word[32];
	FILE *f = fopen("/proc/cpuinfo", "r");
	CHECK(f != NULL);
	while (fgets(cpuinfo, sizeof cpuinfo, f) && strncmp(cpuinfo, "Features", 8) != 0)
		;
	fclose(f);
	char *end = strchr(cpuinfo, '\n');
	CHECK(end != NULL);
	strcpy(end, " ");
	int words = 0;
	for (char *c = cpuinfo; (c = strchr(c, ' ')); c++)
		words++;
	for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
		const struct feature *f = &features[i];
		int told = f->word >= 0 && caps[f->word] >> f->bit & 1, count = (int)(f->end - f->code) - 2;
		undefined = 0;
		call(f->code, buffer + 64);
		if (told ? undefined != 0 : undefined != count)
			printf("%s: told %d, undefined %d of %d, the last %08x\n", f->name, told, undefined, count, undefined ? *(uint32_t *)undefined_at : 0);
		snprintf(word, sizeof word, " %s ", f->name);
		CHECK((strstr(cpuinfo, word) != NULL) == told);
		if (told)
			seen[f->word] |= 1ull << f->bit;
	}
	// evtstrm, cpuid and dgh have no instructions that could be undefined.
	CHECK(caps[0] == (seen[0] | 1 << 2 | 1 << 11) && caps[1] == (seen[1] | 1 << 15));
	CHECK(words - 1 == __builtin_popcountll(caps[0]) + __builtin_popcountll(caps[1]));
	// The same from the ID registers.
	int has[] = {
		FIELD(ISAR0, 4) == 2, FIELD(ISAR0, 8) == 1, FIELD(ISAR0, 12) == 2, FIELD(ISAR0, 16) == 1, FIELD(ISAR0, 20) == 2, FIELD(ISAR0, 24) == 0, FIELD(ISAR0, 28) == 1, FIELD(ISAR0, 32) == 1, FIELD(ISAR0, 36) == 0, FIELD(ISAR0, 40) == 0, FIELD(ISAR0, 44) == 1, FIELD(ISAR0, 48) == 1, FIELD(ISAR0, 52) == 2, FIELD(ISAR0, 56) == 0, FIELD(ISAR0, 60) == 0,
		FIELD(ISAR1, 0) == 2, FIELD(ISAR1, 4) == 0, FIELD(ISAR1, 8) == 0, FIELD(ISAR1, 12) == 1, FIELD(ISAR1, 16) == 1, FIELD(ISAR1, 20) == 2, FIELD(ISAR1, 24) == 0, FIELD(ISAR1, 28) == 0, FIELD(ISAR1, 32) == 1, FIELD(ISAR1, 36) == 1, FIELD(ISAR1, 40) == 0, FIELD(ISAR1, 44) == 1, FIELD(ISAR1, 48) == 1, FIELD(ISAR1, 52) == 1, FIELD(ISAR1, 56) == 0, FIELD(ISAR1, 60) == 0,
		FIELD(PFR0, 0) == 1, FIELD(PFR0, 4) == 1, FIELD(PFR0, 16) == 1, FIELD(PFR0, 20) == 1, FIELD(PFR0, 32) == 0, FIELD(PFR0, 48) == 0, FIELD(PFR1, 0) == 0, FIELD(PFR1, 4) == 0, FIELD(PFR1, 8) == 0, FIELD(PFR1, 24) == 0, FIELD(ISAR2, 0) == 0, FIELD(ISAR2, 4) == 0, FIELD(ISAR2, 16) == 0, FIELD(ISAR2, 52) == 0,
	};
	for (size_t i = 0; i < sizeof has / sizeof *has; i++)
		if (!has[i])
			printf("ID field %zu\n", i);
	puts("done");
	return 0;
}
