/* aarch64's part of the instruction oracle's runner. */

struct registers {
	u64 x[31], sp, nzcv, fpcr, fpsr, tpidr;
	u64 v[32][2];
};

u64 saved_frame[13]; /* callee-saved registers and sp of the loop, for oracle_leave */

__asm__(
".text\n"
".globl oracle_enter, oracle_exit, oracle_leave, _start\n"
"_start:\n"
"	mov x0, sp\n"
"	bl start_c\n"
"oracle_enter:\n"
"	adrp x1, saved_frame\n	add x1, x1, :lo12:saved_frame\n"
"	stp x19, x20, [x1]\n	stp x21, x22, [x1, 16]\n	stp x23, x24, [x1, 32]\n"
"	stp x25, x26, [x1, 48]\n	stp x27, x28, [x1, 64]\n	stp x29, x30, [x1, 80]\n"
"	mov x2, sp\n	str x2, [x1, 96]\n"
"	clrex\n"
"	add x1, x0, 320\n"
"	ldp q0, q1, [x1]\n	ldp q2, q3, [x1, 32]\n	ldp q4, q5, [x1, 64]\n	ldp q6, q7, [x1, 96]\n"
"	ldp q8, q9, [x1, 128]\n	ldp q10, q11, [x1, 160]\n	ldp q12, q13, [x1, 192]\n	ldp q14, q15, [x1, 224]\n"
"	ldp q16, q17, [x1, 256]\n	ldp q18, q19, [x1, 288]\n	ldp q20, q21, [x1, 320]\n	ldp q22, q23, [x1, 352]\n"
"	ldp q24, q25, [x1, 384]\n	ldp q26, q27, [x1, 416]\n	ldp q28, q29, [x1, 448]\n	ldp q30, q31, [x1, 480]\n"
"	ldr x1, [x0, 296]\n	msr fpcr, x1\n"
"	ldr x1, [x0, 304]\n	msr fpsr, x1\n"
"	ldr x1, [x0, 312]\n	msr tpidr_el0, x1\n"
"	ldr x1, [x0, 288]\n	msr nzcv, x1\n"
"	ldr x1, [x0, 280]\n	mov sp, x1\n"
"	ldr x1, [x0]\n	sub x1, x1, 4\n"
"	ldp x2, x3, [x0, 48]\n	ldp x4, x5, [x0, 64]\n	ldp x6, x7, [x0, 80]\n	ldp x8, x9, [x0, 96]\n"
"	ldp x10, x11, [x0, 112]\n	ldp x12, x13, [x0, 128]\n	ldp x14, x15, [x0, 144]\n	ldp x16, x17, [x0, 160]\n"
"	ldp x18, x19, [x0, 176]\n	ldp x20, x21, [x0, 192]\n	ldp x22, x23, [x0, 208]\n	ldp x24, x25, [x0, 224]\n"
"	ldp x26, x27, [x0, 240]\n	ldp x28, x29, [x0, 256]\n	ldr x30, [x0, 272]\n"
/* The word in front of every case's code is `ldp x0, x1, [x0, 32]`: the jump needs two registers until the last moment. */
"	br x1\n"
"oracle_exit:\n"
/* No register is free: the thread pointer keeps x0 meanwhile. */
"	msr tpidr_el0, x0\n"
"	adrp x0, current\n	ldr x0, [x0, :lo12:current]\n"
"	stp x2, x3, [x0, 48]\n	mrs x2, tpidr_el0\n	stp x2, x1, [x0, 32]\n"
"	stp x4, x5, [x0, 64]\n	stp x6, x7, [x0, 80]\n"
"	stp x8, x9, [x0, 96]\n	stp x10, x11, [x0, 112]\n	stp x12, x13, [x0, 128]\n	stp x14, x15, [x0, 144]\n"
"	stp x16, x17, [x0, 160]\n	stp x18, x19, [x0, 176]\n	stp x20, x21, [x0, 192]\n	stp x22, x23, [x0, 208]\n"
"	stp x24, x25, [x0, 224]\n	stp x26, x27, [x0, 240]\n	stp x28, x29, [x0, 256]\n	str x30, [x0, 272]\n"
"	mov x1, sp\n	str x1, [x0, 280]\n"
"	mrs x1, nzcv\n	str x1, [x0, 288]\n"
"	mrs x1, fpcr\n	str x1, [x0, 296]\n"
"	mrs x1, fpsr\n	str x1, [x0, 304]\n"
"	str xzr, [x0, 8]\n"
"	add x1, x0, 320\n"
"	stp q0, q1, [x1]\n	stp q2, q3, [x1, 32]\n	stp q4, q5, [x1, 64]\n	stp q6, q7, [x1, 96]\n"
"	stp q8, q9, [x1, 128]\n	stp q10, q11, [x1, 160]\n	stp q12, q13, [x1, 192]\n	stp q14, q15, [x1, 224]\n"
"	stp q16, q17, [x1, 256]\n	stp q18, q19, [x1, 288]\n	stp q20, q21, [x1, 320]\n	stp q22, q23, [x1, 352]\n"
"	stp q24, q25, [x1, 384]\n	stp q26, q27, [x1, 416]\n	stp q28, q29, [x1, 448]\n	stp q30, q31, [x1, 480]\n"
"oracle_leave:\n"
"	msr fpcr, xzr\n"
"	adrp x1, saved_frame\n	add x1, x1, :lo12:saved_frame\n"
"	ldp x19, x20, [x1]\n	ldp x21, x22, [x1, 16]\n	ldp x23, x24, [x1, 32]\n"
"	ldp x25, x26, [x1, 48]\n	ldp x27, x28, [x1, 64]\n	ldp x29, x30, [x1, 80]\n"
"	ldr x2, [x1, 96]\n	mov sp, x2\n"
"	ret\n"
".section .exit, \"ax\"\n"
"	b oracle_exit\n" /* at EXIT of batch.rs */
".text\n");

static long sys(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}

/* The kernel's frame (arch/arm64/include/uapi/asm/sigcontext.h). */
struct ucontext {
	u64 flags, link, ss_sp, ss_flags, ss_size, mask[16], align;
	u64 fault_address, regs[31], sp, pc, pstate, pad;
	u32 magic, size, fpsr, fpcr;
	u64 v[32][2];
};

static u64 interrupted(struct registers *r, struct ucontext *uc)
{
	if (uc->magic != 0x46508001)
		die(9);
	for (int i = 0; i < 31; i++)
		r->x[i] = uc->regs[i];
	r->sp = uc->sp;
	r->nzcv = uc->pstate & 0xf0000000;
	r->fpcr = uc->fpcr;
	r->fpsr = uc->fpsr;
	for (int i = 0; i < 32; i++) {
		r->v[i][0] = uc->v[i][0];
		r->v[i][1] = uc->v[i][1];
	}
	return uc->pc;
}
