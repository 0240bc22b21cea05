// What arm's instructions do beyond their results: the signals of accesses that are not aligned and of undefined words, with code and address, in both instruction
// sets; SWP; the byte order of data, in handlers too; barriers of coprocessor 15; what loads the program counter; arithmetic of Advanced SIMD, which has a mode of its own.
//@ guest-only: arm
//@ arm-flags: -marm -march=armv7-a -mfpu=neon
//@ armel-flags: -mfloat-abi=softfp
//@ variants: static interp
#include "../check.h"
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static volatile int signo, code, count, handler_big;
static volatile uintptr_t address, place;
static volatile uint32_t cpsr;

static void skip(int s, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uint32_t now;
	__asm__ volatile("mrs %0, cpsr" : "=r"(now));
	handler_big = now >> 9 & 1;
	signo = s, code = info->si_code, address = (uintptr_t)info->si_addr;
	place = uc->uc_mcontext.arm_pc, cpsr = uc->uc_mcontext.arm_cpsr;
	count++;
	if (!(cpsr & 0x20))
		uc->uc_mcontext.arm_pc += 4;
	else
		uc->uc_mcontext.arm_pc += *(uint16_t *)place >= 0xe800 ? 4 : 2;
}

// A function of one instruction in the middle: r0 is an address, r1 a value; the result is r0.
#define A32(name, code) \
	uint32_t name(void *p, uint32_t v); \
	__asm__(".text\n.arm\n.syntax unified\n.global " #name "\n.type " #name ", %function\n" #name ":\n push {r4-r11, lr}\n" code "\n pop {r4-r11, pc}\n.ltorg\n")
#define T32(name, code) \
	uint32_t name(void *p, uint32_t v); \
	__asm__(".text\n.thumb\n.syntax unified\n.global " #name "\n.type " #name ", %function\n.thumb_func\n" #name ":\n push {r4-r11, lr}\n" code "\n pop {r4-r11, pc}\n.ltorg\n.arm\n")

A32(ldr_a, "ldr r0, [r0]");
T32(ldr_t, "ldr r0, [r0]");
A32(ldrh_a, "ldrh r0, [r0]");
T32(ldrh_t, "ldrsh r0, [r0]");
A32(str_a, "str r1, [r0]");
T32(str_t, "str r1, [r0]");
A32(strh_a, "strh r1, [r0]");
A32(ldm_a, "ldm r0, {r2, r3}");
A32(ldmdb_a, "ldmdb r0, {r2, r3}");
T32(ldm_t, "ldm.w r0, {r2, r3}");
T32(ldm_16, "mov r4, r0\n ldm r4!, {r2, r3}");
A32(stm_a, "stm r0, {r2, r3}");
T32(stm_t, "stm.w r0!, {r2, r3}");
A32(ldrd_a, "ldrd r2, r3, [r0, #8]");
T32(ldrd_t, "ldrd r2, r3, [r0, #8]");
A32(strd_a, "strd r2, r3, [r0]");
T32(strd_t, "strd r2, r3, [r0]");
A32(ldrex_a, "ldrex r2, [r0]");
T32(ldrex_t, "ldrex r2, [r0, #4]");
A32(ldrexh_a, "ldrexh r2, [r0]");
A32(ldrexd_a, "ldrexd r2, r3, [r0]");
A32(strex_a, "strex r2, r1, [r0]");
A32(vldr_a, "vldr d0, [r0]");
T32(vldm_t, "vldm r0, {d0, d1}");
A32(vld1_a, "vld1.32 {d0}, [r0]");
A32(vld1_aligned, "vld1.32 {d0}, [r0:64]");
A32(swp_a, "mov r4, r0\n swp r0, r1, [r4]");
A32(swpb_a, "mov r4, r0\n swpb r0, r1, [r4]");
A32(udf_a, "udf #7");
T32(udf_t, "udf #7");
T32(udf_w, "udf.w #7");
A32(cdp_a, ".inst 0xee000100");
A32(big_a, "setend be\n ldr r0, [r0]\n setend le");
T32(big_t, "setend be\n ldrh r0, [r0]\n setend le");
A32(big_store, "setend be\n str r1, [r0]\n setend le");
A32(big_signal, "setend be\n udf #1\n ldr r0, [r0]\n setend le");
A32(big_msr, "mrs r2, cpsr\n orr r3, r2, #0x200\n msr cpsr_x, r3\n ldr r0, [r0]\n msr cpsr_x, r2");
A32(barriers, "mov r0, #0\n mcr p15, 0, r0, c7, c10, 5\n mcr p15, 0, r0, c7, c10, 4\n mcr p15, 0, r0, c7, c5, 4\n mov r0, #1");
T32(barriers_t, "movs r0, #0\n mcr p15, 0, r0, c7, c10, 5\n movs r0, #2");
A32(midr, "mrc p15, 0, r0, c0, c0, 0");
// To T32 and back, by a load, a list, and an addition.
A32(ldr_pc, "adr r2, 1f + 1\n str r2, [r0]\n ldr pc, [r0]\n udf #0\n .align 2\n .thumb\n 1: movs r0, #3\n nop\n bx pc\n nop\n .arm");
A32(pop_pc, "adr r2, 1f + 1\n push {r2}\n pop {pc}\n udf #0\n .align 2\n .thumb\n 1: movs r0, #4\n nop\n bx pc\n nop\n .arm");
A32(mov_pc, "adr r2, 1f + 1\n mov pc, r2\n udf #0\n .align 2\n .thumb\n 1: movs r0, #5\n nop\n bx pc\n nop\n .arm");
T32(pop_arm, "adr r2, 1f\n push {r2}\n pop {pc}\n udf #0\n .align 2\n .arm\n 1: mov r0, #6\n adr r2, 2f + 1\n bx r2\n .thumb\n 2: nop");
T32(mov_stays, "adr r2, 1f\n mov pc, r2\n udf #0\n .align 2\n 1: movs r0, #7");
// FPSCR in r1, singles in r0 as bits.
A32(neon_add, "vmrs r5, fpscr\n vmsr fpscr, r1\n vdup.32 d0, r0\n vmov.i32 d1, #0\n vadd.f32 d0, d0, d1\n vmov.32 r0, d0[0]\n vmrs r6, fpscr\n vmsr fpscr, r5\n ldr r2, =flags\n str r6, [r2]");
A32(vfp_add, "vmrs r5, fpscr\n vmsr fpscr, r1\n vmov s0, r0\n vmov.i32 d1, #0\n vadd.f32 s0, s0, s2\n vmov r0, s0\n vmrs r6, fpscr\n vmsr fpscr, r5\n ldr r2, =flags\n str r6, [r2]");
uint32_t flags;

// Runs an instruction that must raise a signal.
#define RAISES(call, s, c, a) \
	do { \
		int before = count; \
		(void)(call); \
		CHECK(count == before + 1 && signo == (s) && code == (c)); \
		CHECK((a) == 0 ? address == place : address == (uintptr_t)(a)); \
	} while (0)
#define RAISES_NOT(call) \
	({ \
		int before = count; \
		uint32_t result = (call); \
		CHECK(count == before); \
		result; \
	})

static void alignment(void)
{
	static uint8_t b[64] __attribute__((aligned(16)));
	for (int i = 0; i < 64; i++)
		b[i] = i;
	// Words and halves may lie anywhere.
	for (int i = 1; i < 4; i++) {
		uint32_t word = (uint32_t)i * 0x01010101 + 0x03020100;
		CHECK(RAISES_NOT(ldr_a(b + i, 0)) == word && RAISES_NOT(ldr_t(b + i, 0)) == word);
		CHECK(RAISES_NOT(ldrh_a(b + i, 0)) == (word & 0xffff) && RAISES_NOT(ldrh_t(b + i, 0)) == (word & 0xffff));
	}
	RAISES_NOT(str_a(b + 33, 0xa1b2c3d4));
	RAISES_NOT(str_t(b + 41, 0xa1b2c3d4));
	RAISES_NOT(strh_a(b + 47, 0xffeeddcc));
	CHECK(b[33] == 0xd4 && b[36] == 0xa1 && b[41] == 0xd4 && b[44] == 0xa1 && b[47] == 0xcc && b[48] == 0xdd && b[49] == 49);
	// Several words, pairs, exclusives, and floating point may not.
	for (int i = 1; i < 4; i++) {
		uint8_t *p = b + 16 + i;
		RAISES(ldm_a(p, 0), SIGBUS, BUS_ADRALN, p);
		RAISES(ldmdb_a(p, 0), SIGBUS, BUS_ADRALN, p - 8);
		RAISES(ldm_t(p, 0), SIGBUS, BUS_ADRALN, p);
		RAISES(ldm_16(p, 0), SIGBUS, BUS_ADRALN, p);
		RAISES(stm_a(p, 0), SIGBUS, BUS_ADRALN, p);
		RAISES(stm_t(p, 0), SIGBUS, BUS_ADRALN, p);
		RAISES(ldrd_a(p, 0), SIGBUS, BUS_ADRALN, p + 8);
		RAISES(ldrd_t(p, 0), SIGBUS, BUS_ADRALN, p + 8);
		RAISES(strd_a(p, 0), SIGBUS, BUS_ADRALN, p);
		RAISES(strd_t(p, 0), SIGBUS, BUS_ADRALN, p);
		RAISES(ldrex_a(p, 0), SIGBUS, BUS_ADRALN, p);
		RAISES(ldrex_t(p, 0), SIGBUS, BUS_ADRALN, p + 4);
		RAISES(strex_a(p, 0), SIGBUS, BUS_ADRALN, p); // which QEMU does not
		RAISES(vldr_a(p, 0), SIGBUS, BUS_ADRALN, p);
		RAISES(vldm_t(p, 0), SIGBUS, BUS_ADRALN, p);
		// Elements may, unless the instruction says how they are aligned.
		RAISES_NOT(vld1_a(p + 1, 0));
		RAISES(vld1_aligned(p, 0), SIGBUS, BUS_ADRALN, p);
	}
	RAISES(ldrexh_a(b + 1, 0), SIGBUS, BUS_ADRALN, b + 1);
	RAISES(ldrexd_a(b + 4, 0), SIGBUS, BUS_ADRALN, b + 4);
	RAISES_NOT(ldrd_a(b + 4, 0));
	puts("alignment");
}

static void swaps(void)
{
	uint32_t w = 0x11223344;
	CHECK(RAISES_NOT(swp_a(&w, 0xa0b0c0d0)) == 0x11223344 && w == 0xa0b0c0d0);
	CHECK(RAISES_NOT(swpb_a((char *)&w + 1, 0x77)) == 0xc0 && w == 0xa0b077d0);
	// As Linux's emulation says it (arch/arm64/kernel/armv8_deprecated.c).
	RAISES(swp_a((char *)&w + 1, 0), SIGSEGV, SEGV_ACCERR, (char *)&w + 1);
	puts("swaps");
}

static void undefined(void)
{
	RAISES(udf_a(0, 0), SIGILL, ILL_ILLOPC, 0);
	RAISES(udf_t(0, 0), SIGILL, ILL_ILLOPC, 0);
	RAISES(udf_w(0, 0), SIGILL, ILL_ILLOPC, 0);
	RAISES(cdp_a(0, 0), SIGILL, ILL_ILLOPC, 0);
	// Identification registers are not for programs.
	RAISES(midr(0, 0), SIGILL, ILL_ILLOPC, 0);
	CHECK(RAISES_NOT(barriers(0, 0)) == 1 && RAISES_NOT(barriers_t(0, 0)) == 2);
	puts("undefined");
}

static void byte_order(void)
{
	uint32_t w = 0x11223344;
	CHECK(big_a(&w, 0) == 0x44332211 && big_t(&w, 0) == 0x4433 && big_msr(&w, 0) == 0x44332211);
	big_store(&w, 0xa1b2c3d4);
	CHECK(w == 0xd4c3b2a1);
	// A handler's data is little-endian; what it returns to is as it was.
	int before = count;
	CHECK(big_signal(&w, 0) == 0xa1b2c3d4 && count == before + 1);
	CHECK((cpsr & 0x200) && handler_big == 0);
	puts("byte order");
}

static void interworking(void)
{
	uint32_t w;
	CHECK(ldr_pc(&w, 0) == 3 && pop_pc(&w, 0) == 4 && mov_pc(&w, 0) == 5 && pop_arm(&w, 0) == 6 && mov_stays(&w, 0) == 7);
	puts("interworking");
}

static void simd(void)
{
	const uint32_t flush = 1 << 24, default_nan = 1 << 25, up = 1 << 22;
	// Denormals are zero to Advanced SIMD, and NaNs the default one, whatever FPSCR says.
	CHECK(neon_add((void *)0x80000001, 0) == 0 && (flags & 0x9f) == 0x80);
	CHECK(neon_add((void *)0x7fc01234, 0) == 0x7fc00000 && neon_add((void *)0x7f801234, 0) == 0x7fc00000 && (flags & 0x9f) == 1);
	// Rounding is to nearest.
	CHECK(neon_add((void *)0x3f800000, up) == 0x3f800000 && (flags & up));
	// Floating point does what FPSCR says.
	CHECK(vfp_add((void *)0x80000001, 0) == 0x80000001 && (flags & 0x9f) == 0);
	CHECK(vfp_add((void *)0x80000001, flush) == 0 && (flags & 0x9f) == 0x80);
	CHECK(vfp_add((void *)0x7fc01234, 0) == 0x7fc01234 && vfp_add((void *)0x7f801234, 0) == 0x7fc01234);
	CHECK(vfp_add((void *)0x7fc01234, default_nan) == 0x7fc00000);
	// Short vectors: none.
	int before = count;
	vfp_add((void *)0x3f800000, 1 << 16);
	CHECK(count == before + 1 && signo == SIGILL && (flags & 0x70000) == 1 << 16);
	before = count;
	CHECK(neon_add((void *)0x3f800000, 1 << 16) == 0x3f800000 || count == before + 1);
	puts("simd");
}

int main(void)
{
	struct sigaction a = {.sa_sigaction = skip, .sa_flags = SA_SIGINFO};
	CHECK(sigaction(SIGILL, &a, NULL) == 0 && sigaction(SIGBUS, &a, NULL) == 0 && sigaction(SIGSEGV, &a, NULL) == 0);
	alignment();
	swaps();
	undefined();
	byte_order();
	interworking();
	simd();
	return 0;
}
