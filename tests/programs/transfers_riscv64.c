// Branches, jumps, AUIPC and ECALL of riscv64, with edge operands and in both lengths. The conditions are computed beside them without a branch or a comparison.
//@ guest-only: riscv64
#include "../check.h"
#include <unistd.h>

typedef uint64_t u64;

static u64 is_eq(u64 a, u64 b) { u64 d = a ^ b; return ~(d | -d) >> 63; }
static u64 is_below(u64 a, u64 b) { return ((~a & b) | ((~a | b) & (a - b))) >> 63; }
static u64 is_less(u64 a, u64 b) { return is_below(a ^ 1ull << 63, b ^ 1ull << 63); }

// Forwards and backwards, in four bytes and, where the assembler finds one, in two.
#define BRANCH(op)                                                                                                       \
	static __attribute__((noinline)) u64 op##_taken(u64 a, u64 b)                                                    \
	{                                                                                                                \
		u64 forth, back, zero, swapped;                                                                          \
		__asm__ volatile(".option push\n.option norvc\nli %0, 1\n" #op " %4, %5, 1f\nli %0, 0\n1:\n"             \
				 "j 3f\n2: li %1, 1\nj 4f\n3: " #op " %4, %5, 2b\nli %1, 0\n4:\n"                        \
				 "li %2, 1\n" #op " %4, zero, 5f\nli %2, 0\n5:\n"                                        \
				 "li %3, 1\n" #op " zero, %4, 6f\nli %3, 0\n6:\n.option pop\n"                           \
				 : "=&r"(forth), "=&r"(back), "=&r"(zero), "=&r"(swapped)                                \
				 : "r"(a), "r"(b));                                                                      \
		CHECK(forth == back);                                                                                    \
		return forth | zero << 1 | swapped << 2;                                                                 \
	}
BRANCH(beq) BRANCH(bne) BRANCH(blt) BRANCH(bge) BRANCH(bltu) BRANCH(bgeu)

static __attribute__((noinline)) u64 short_branches(u64 a)
{
	register u64 x __asm__("a5") = a;
	register u64 r __asm__("a4");
	__asm__ volatile(".option push\n.option rvc\nli %0, 0\nc.beqz %1, 1f\naddi %0, %0, 1\n1: c.bnez %1, 2f\naddi %0, %0, 2\n2:\n"
			 "c.j 4f\n3: addi %0, %0, 4\nc.j 5f\n4: c.beqz %1, 3b\n5:\n.option pop\n"
			 : "=&r"(r) : "r"(x));
	return r;
}

static void branches(void)
{
	static const u64 edge[] = { 0, 1, 2, -1ull, -2ull, 1ull << 31, (1ull << 31) - 1, -(1ull << 31), 1ull << 32, 0xffffffff, 1ull << 63, (1ull << 63) - 1, (1ull << 63) + 1, 0x0123456789abcdef };
	enum { N = sizeof edge / sizeof *edge };
	for (int i = 0; i < N; i++) {
		u64 a = edge[i];
		CHECK(short_branches(a) == (is_eq(a, 0) ? 6 : 1));
		for (int j = 0; j < N; j++) {
			u64 b = edge[j];
			CHECK(beq_taken(a, b) == (is_eq(a, b) | is_eq(a, 0) << 1 | is_eq(0, a) << 2));
			CHECK(bne_taken(a, b) == 7 - (is_eq(a, b) | is_eq(a, 0) << 1 | is_eq(0, a) << 2));
			CHECK(blt_taken(a, b) == (is_less(a, b) | is_less(a, 0) << 1 | is_less(0, a) << 2));
			CHECK(bge_taken(a, b) == 7 - (is_less(a, b) | is_less(a, 0) << 1 | is_less(0, a) << 2));
			CHECK(bltu_taken(a, b) == (is_below(a, b) | is_below(a, 0) << 1 | is_below(0, a) << 2));
			CHECK(bgeu_taken(a, b) == 7 - (is_below(a, b) | is_below(a, 0) << 1 | is_below(0, a) << 2));
		}
	}
}

// The jump must come to its label, and leave the address behind it in the link register.
#define JUMP(before, jump, linked)                                                                                       \
	do {                                                                                                             \
		u64 link, want, passed = 0;                                                                              \
		__asm__ volatile(before "\n" jump "\n0: j 2f\n1: addi %2, %2, 1\n2: mv %0, " linked "\nlla %1, 0b\n"     \
				 : "=&r"(link), "=&r"(want), "+&r"(passed) : : "t0", "t1", "ra", "memory");             \
		CHECK(passed == 1);                                                                                      \
		CHECK(link == want);                                                                                     \
	} while (0)

static void jumps(void)
{
	for (int again = 0; again < 3; again++) {
		JUMP("", "jal t1, 1f", "t1");
		JUMP("", "jal ra, 1f", "ra");
		JUMP("", "jal t0, 1f", "t0");
		JUMP("lla t1, 0f", "jal zero, 1f", "t1");
		JUMP("lla t0, 1f", "jalr t1, 0(t0)", "t1");
		JUMP("lla t0, 1f + 8", "jalr t1, -8(t0)", "t1");
		JUMP("lla t0, 1f - 2046", "jalr t1, 2046(t0)", "t1");
		JUMP("lla t0, 1f + 2048", "jalr t1, -2048(t0)", "t1");
		// Bit 0 of the sum is dropped.
		JUMP("lla t0, 1f", "jalr t1, 1(t0)", "t1");
		JUMP("lla t0, 1f + 1", "jalr t1, 0(t0)", "t1");
		// The link register is the base too; the registers of the return stack, and from one to the other.
		JUMP("lla t1, 1f", "jalr t1, 0(t1)", "t1");
		JUMP("lla t0, 1f", "jalr t0, 0(t0)", "t0");
		JUMP("lla ra, 1f", "jalr ra, 0(ra)", "ra");
		JUMP("lla ra, 1f", "jalr t0, 0(ra)", "t0");
		JUMP("lla t0, 1f", "jalr ra, 0(t0)", "ra");
		JUMP("lla ra, 1f\nlla t1, 0f", "jalr zero, 0(ra)", "t1");
		// In two bytes.
		JUMP("lla t0, 1f\nlla t1, 0f", ".option push\n.option rvc\nc.jr t0\n.option pop", "t1");
		JUMP("lla t0, 1f", ".option push\n.option rvc\nc.jalr t0\n.option pop", "ra");
		JUMP("lla t1, 0f", ".option push\n.option rvc\nc.j 1f\n.option pop", "t1");
	}
}

// A function that returns to its caller's caller, and one that returns elsewhere than where it was called from.
static __attribute__((noinline)) u64 returns(void)
{
	u64 r = 0;
	__asm__ volatile("call 1f\naddi %0, %0, 1\nj 5f\n"
			 "1: mv t1, ra\ncall 2f\naddi %0, %0, 16\n"
			 "2: mv ra, t1\nlla t2, 3f\nmv ra, t2\nret\naddi %0, %0, 32\n"
			 "3: addi %0, %0, 2\njr t1\n"
			 "5:\n" : "+&r"(r) : : "ra", "t0", "t1", "t2", "memory");
	return r;
}

static void addresses(void)
{
	u64 here, at;
#define AUIPC(imm)                                                                                              \
	__asm__ volatile("0: auipc %0, " #imm "\nlla %1, 0b" : "=&r"(at), "=&r"(here));                            \
	CHECK(at - here == (u64)(int32_t)((uint32_t)(imm) << 12))
	AUIPC(0);
	AUIPC(1);
	AUIPC(0x12345);
	AUIPC(0x7ffff);
	AUIPC(0x80000);
	AUIPC(0xfffff);
}

// A system call changes a0 alone.
static void system_call(void)
{
	u64 saved[13];
	register u64 *to __asm__("s2") = saved;
	register u64 a0 __asm__("a0") = 99;
	__asm__ volatile("li a1, 11\nli a2, 12\nli a3, 13\nli a4, 14\nli a5, 15\nli a6, 16\nli t0, 20\nli t1, 21\nli t2, 22\nli t3, 23\nli t4, 24\nli t5, 25\nli t6, 26\n"
			 "li a7, 172\necall\n"
			 "sd a1, 0(s2)\nsd a2, 8(s2)\nsd a3, 16(s2)\nsd a4, 24(s2)\nsd a5, 32(s2)\nsd a6, 40(s2)\nsd t0, 48(s2)\nsd t1, 56(s2)\nsd t2, 64(s2)\nsd t3, 72(s2)\n"
			 "sd t4, 80(s2)\nsd t5, 88(s2)\nsd t6, 96(s2)\n"
			 : "+r"(a0) : "r"(to) : "a1", "a2", "a3", "a4", "a5", "a6", "a7", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "memory");
	static const u64 want[13] = { 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25, 26 };
	CHECK(a0 == (u64)getpid());
	CHECK(memcmp(saved, want, sizeof want) == 0);
}

int main(void)
{
	branches();
	jumps();
	CHECK(returns() == 3);
	addresses();
	system_call();
	puts("ok");
	return 0;
}
