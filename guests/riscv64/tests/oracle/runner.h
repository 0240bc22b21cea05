/* riscv64's part of the instruction oracle's runner.
 *
 * A jump needs a register, and every register belongs to the case: code is entered two instructions in front of it, where a1 and a0
 * are loaded, and ends in EBREAK. Vectors, vl, vtype and the control registers are read in the signal handler, before anything
 * uses them: frames have vectors under newer kernels only. */

struct registers {
	u64 x[32], f[32], fcsr, vstart, vcsr, vl, vtype, pad;
	u64 v[32][2];
};

u64 saved_frame[14]; /* ra, sp and the callee-saved registers of the loop, for oracle_leave */
void oracle_floats(struct registers *r);

#define F_EACH(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15) f(16) f(17) f(18) \
	f(19) f(20) f(21) f(22) f(23) f(24) f(25) f(26) f(27) f(28) f(29) f(30) f(31)
#define X_EACH(f) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(12) f(13) f(14) f(15) f(16) f(17) f(18) \
	f(19) f(20) f(21) f(22) f(23) f(24) f(25) f(26) f(27) f(28) f(29) f(30) f(31)
#define F_LOAD(n) "	fld f" #n ", 288+8*" #n "(a0)\n"
#define F_STORE(n) "	fsd f" #n ", 256+8*" #n "(a0)\n"
#define X_LOAD(n) "	ld x" #n ", 32+8*" #n "(a0)\n"
#define SAVED(f) f(ra, 0) f(sp, 1) f(s0, 2) f(s1, 3) f(s2, 4) f(s3, 5) f(s4, 6) f(s5, 7) f(s6, 8) f(s7, 9) f(s8, 10) f(s9, 11) \
	f(s10, 12) f(s11, 13)
#define SAVE(x, n) "	sd " #x ", 8*" #n "(t0)\n"
#define RESTORE(x, n) "	ld " #x ", 8*" #n "(t0)\n"

__asm__(
".text\n.option push\n.option norelax\n.option arch, +f, +d, +v\n"
".globl oracle_enter, oracle_leave, oracle_floats, _start\n"
"_start:\n"
"	mv a0, sp\n"
"	call start_c\n"
"oracle_enter:\n"
"	lla t0, saved_frame\n"
SAVED(SAVE)
"	addi t0, a0, 592\n	vl8re8.v v0, (t0)\n	addi t0, t0, 128\n	vl8re8.v v8, (t0)\n"
"	addi t0, t0, 128\n	vl8re8.v v16, (t0)\n	addi t0, t0, 128\n	vl8re8.v v24, (t0)\n"
"	ld t0, 568(a0)\n	ld t1, 576(a0)\n	vsetvl x0, t0, t1\n"
"	ld t0, 544(a0)\n	fscsr t0\n	ld t0, 560(a0)\n	csrw vcsr, t0\n	ld t0, 552(a0)\n	csrw vstart, t0\n"
F_EACH(F_LOAD)
"	ld a1, 0(a0)\n	addi a1, a1, -8\n"
X_EACH(X_LOAD)
"	jr a1\n"
"oracle_floats:\n"
F_EACH(F_STORE)
"	frcsr t0\n	sd t0, 512(a0)\n	csrr t0, vstart\n	sd t0, 520(a0)\n	csrr t0, vcsr\n	sd t0, 528(a0)\n"
"	csrr t0, vl\n	sd t0, 536(a0)\n	csrr t0, vtype\n	sd t0, 544(a0)\n	csrw vstart, x0\n	fscsr x0\n"
"	addi t0, a0, 560\n	vs8r.v v0, (t0)\n	addi t0, t0, 128\n	vs8r.v v8, (t0)\n"
"	addi t0, t0, 128\n	vs8r.v v16, (t0)\n	addi t0, t0, 128\n	vs8r.v v24, (t0)\n"
"	ret\n"
"oracle_leave:\n"
"	lla t0, saved_frame\n"
SAVED(RESTORE)
"	ret\n"
".option pop\n"
".text\n");

static long sys(long n, long a, long b, long c, long d, long e, long f)
{
	register long a7 __asm__("a7") = n, a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f;
	__asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
	return a0;
}

/* The kernel's frame (arch/riscv/include/uapi/asm/ucontext.h, ptrace.h). */
struct ucontext {
	u64 flags, link, ss_sp, ss_flags, ss_size, mask[16], align;
	u64 pc, x[31];
};

static u64 interrupted(struct registers *r, struct ucontext *uc)
{
	oracle_floats(r);
	r->x[0] = 0;
	for (int i = 0; i < 31; i++)
		r->x[i + 1] = uc->x[i];
	return uc->pc;
}
