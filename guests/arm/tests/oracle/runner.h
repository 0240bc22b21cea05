/* arm's part of the instruction oracle's runner, which is A32.
 *
 * All registers are loaded at once with the pc, whose bit 0 chooses the instruction set. Code ends in BKPT, so that all states are
 * taken from the signal's frame: the frame alone has ITSTATE and the byte order of data. */

struct registers {
	u32 r[15], entry, cpsr, fpscr, tpidr, pad;
	u64 d[32];
};

u32 saved_sp; /* of the loop, for oracle_leave */

__asm__(
".syntax unified\n"
".arm\n"
".text\n"
".globl oracle_enter, oracle_leave, _start\n"
"_start:\n"
"	mov r0, sp\n"
"	bl start_c\n"
"oracle_enter:\n"
"	push {r4-r12, lr}\n	vpush {d8-d15}\n"
"	ldr r1, =saved_sp\n	str sp, [r1]\n"
"	clrex\n"
"	ldr r1, [r0]\n	str r1, [r0, 92]\n"
"	add r1, r0, 112\n"
"	vldmia r1!, {d0-d15}\n	vldmia r1, {d16-d31}\n"
"	ldr r1, [r0, 100]\n	vmsr fpscr, r1\n"
"	ldr r1, [r0, 104]\n	mcr p15, 0, r1, c13, c0, 2\n"
"	ldr r1, [r0, 96]\n	msr APSR_nzcvqg, r1\n"
"	add r0, r0, 32\n"
"	ldm r0, {r0-r15}\n"
"oracle_leave:\n"
"	mov r1, 0\n	vmsr fpscr, r1\n"
"	ldr r1, =saved_sp\n	ldr sp, [r1]\n"
"	vpop {d8-d15}\n	pop {r4-r12, pc}\n"
".ltorg\n");

/* The numbers of asm-generic that runner.c has, as numbers of EABI. */
static long number(long n)
{
	switch (n) {
	case 56: return 322;
	case 94: return 248;
	case 132: return 186;
	case 134: return 174;
	case 222: return 192;
	}
	return -1;
}

static long sys(long n, long a, long b, long c, long d, long e, long f)
{
	/* mmap2 takes pages. */
	register long r5 __asm__("r5") = n == 222 ? (long)((u32)f >> 12) : f;
	register long r7 __asm__("r7") = number(n), r0 __asm__("r0") = a, r1 __asm__("r1") = b, r2 __asm__("r2") = c;
	register long r3 __asm__("r3") = d, r4 __asm__("r4") = e;
	__asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory");
	return r0;
}

/* The kernel's frame (arch/arm/include/uapi/asm/sigcontext.h, arch/arm/include/asm/ucontext.h). */
struct ucontext {
	u32 flags, link, stack[3];
	u32 trap_no, error_code, oldmask, r[15], pc, cpsr, fault_address;
	u32 mask[2], unused[30];
	u32 magic, size;
	u64 d[32];
	u32 fpscr;
} __attribute__((packed));

/* The place as the engine's pc has it: bit 0 for T32, ITSTATE from bit 32 on, bit 40 for big-endian data. */
static u64 interrupted(struct registers *r, struct ucontext *uc)
{
	u32 tpidr;
	__asm__ volatile("mrc p15, 0, %0, c13, c0, 2" : "=r"(tpidr));
	if (uc->magic != 0x56465001)
		die(9);
	for (int i = 0; i < 15; i++)
		r->r[i] = uc->r[i];
	r->cpsr = uc->cpsr & 0xf80f0000;
	r->fpscr = uc->fpscr;
	r->tpidr = tpidr;
	for (int i = 0; i < 32; i++)
		r->d[i] = uc->d[i];
	u32 it = (uc->cpsr >> 10 & 63) << 2 | (uc->cpsr >> 25 & 3), big = uc->cpsr >> 9 & 1;
	return (u64)(it | big << 8) << 32 | uc->pc | (uc->cpsr >> 5 & 1);
}
