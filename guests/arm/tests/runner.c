/* The other side of the differential test: runs instructions on whatever executes this arm program (A32, without any library).
 *
 * The batch file (see differential.rs, which writes it) is mapped shared: a header page, the code, then one state record per case. For each case the state is loaded into the
 * processor, the code at `pc` runs (T32 if its bit 0 is set), and the state after it replaces the record. Code ends in a branch to exit_t or exit_a; whatever ends otherwise
 * ends in the signal handler, which takes the state from its frame.
 */
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned char u8;

#define CODE_BASE 0x11000000
#define SCRATCH 0x30000000
#define SCRATCH_BYTES 0x4000
#define MID (SCRATCH + SCRATCH_BYTES / 2 - 256)
#define EDGE (SCRATCH + SCRATCH_BYTES - 64)

struct state {
	u32 r[15], pc, cpsr, fpscr, tpidr, signo, code, addr, end, pad;
	u64 d[32];
	u8 mid[512], edge[64];
};

struct header {
	u32 cases, done, code_bytes, file_bytes;
};

struct state *current;
void enter(struct state *s);
void leave(void) __attribute__((noreturn));

__asm__(
".syntax unified\n"
".arm\n"
".text\n"
".globl _start\n"
"_start:\n"
"	mov r0, sp\n"
"	bl start_c\n"
".globl enter, leave\n"
"enter:\n"
"	push {r4-r12, lr}\n	vpush {d8-d15}\n"
"	ldr r1, =saved_sp\n	str sp, [r1]\n"
"	clrex\n"
"	add r1, r0, 96\n"
"	vldmia r1!, {d0-d15}\n	vldmia r1, {d16-d31}\n"
"	ldr r1, [r0, 68]\n	vmsr fpscr, r1\n"
"	ldr r1, [r0, 72]\n	mcr p15, 0, r1, c13, c0, 2\n"
"	ldr r1, [r0, 64]\n	msr APSR_nzcvqg, r1\n"
"	ldm r0, {r0-r15}\n"
".ltorg\n"
/* At EXIT of differential.rs, near the end of a page: the T32 entry, and 32 bytes after it the A32 entry. No register is free: words near the code keep them. */
".section .exit, \"awx\"\n"
".thumb\n"
"	bx pc\n	nop\n"
".arm\n"
"	setend le\n	str r0, save_r0\n	mov r0, 1\n	b 1f\n"
"	nop\n	nop\n	nop\n"
"	setend le\n	str r0, save_r0\n	mov r0, 0\n"
"1:	str r0, save_end\n"
"	ldr r0, =current\n	ldr r0, [r0]\n"
"	stmib r0, {r1-r14}\n"
"	ldr r1, save_r0\n	str r1, [r0]\n"
"	ldr r1, save_end\n	str r1, [r0, 88]\n"
"	mrs r1, cpsr\n	str r1, [r0, 64]\n"
"	vmrs r1, fpscr\n	str r1, [r0, 68]\n"
"	mrc p15, 0, r1, c13, c0, 2\n	str r1, [r0, 72]\n"
"	mov r1, 0\n	str r1, [r0, 76]\n"
"	add r1, r0, 96\n"
"	vstmia r1!, {d0-d15}\n	vstmia r1, {d16-d31}\n"
"leave:\n"
"	setend le\n"
"	mov r1, 0\n	vmsr fpscr, r1\n"
"	ldr r1, =saved_sp\n	ldr sp, [r1]\n"
"	vpop {d8-d15}\n	pop {r4-r12, pc}\n"
".ltorg\n"
/* Written by each case: not in a page with code. */
".balign 256\n"
"save_r0: .word 0\n"
"save_end: .word 0\n"
".text\n"
".comm saved_sp, 4, 4\n");

static long sys(long n, long a, long b, long c, long d, long e, long f)
{
	register long r7 __asm__("r7") = n, r0 __asm__("r0") = a, r1 __asm__("r1") = b, r2 __asm__("r2") = c;
	register long r3 __asm__("r3") = d, r4 __asm__("r4") = e, r5 __asm__("r5") = f;
	__asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory");
	return r0;
}

static void die(int code) { for (;;) sys(248, code, 0, 0, 0, 0, 0); }

static void copy(u8 *to, const u8 *from, u32 n)
{
	for (u32 i = 0; i < n; i += 4)
		*(volatile u32 *)(to + i) = *(const u32 *)(from + i);
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

static void handler(int signo, u32 *info, struct ucontext *uc)
{
	struct state *s = current;
	for (int i = 0; i < 15; i++)
		s->r[i] = uc->r[i];
	s->pc = uc->pc | (uc->cpsr >> 5 & 1);
	s->cpsr = uc->cpsr;
	s->signo = signo;
	s->code = info[2];
	s->addr = info[3];
	s->end = 2;
	if (uc->magic != 0x56465001)
		die(9);
	s->fpscr = uc->fpscr;
	for (int i = 0; i < 32; i++)
		s->d[i] = uc->d[i];
	leave();
}

static u8 alternate[65536] __attribute__((aligned(64)));

void restorer(void);
__asm__(".text\n.arm\nrestorer: mov r7, 173\n svc 0\n");

void start_c(u32 *sp)
{
	if (sp[0] != 3)
		die(2);
	char *name = (char *)sp[2], *from = (char *)sp[3];
	u32 first = 0;
	for (; *from; from++)
		first = first * 10 + (*from - '0');
	long fd = sys(322, -100, (long)name, 2, 0, 0, 0);
	if (fd < 0)
		die(3);
	struct header *h = (void *)sys(192, 0, 4096, 3, 1, fd, 0);
	if ((long)h < 0 && (long)h > -4096)
		die(4);
	struct state *s = (void *)sys(192, 0, h->file_bytes - h->code_bytes - 4096, 3, 1, fd, 1 + (h->code_bytes >> 12));
	long code = sys(192, CODE_BASE, h->code_bytes, 5, 0x12, fd, 1);
	long scratch = sys(192, SCRATCH, SCRATCH_BYTES, 3, 0x32, -1, 0);
	if (code != CODE_BASE || scratch != SCRATCH || ((long)s < 0 && (long)s > -4096))
		die(5);
	struct { void *sp; u32 flags, size; } ss = { alternate, 0, sizeof alternate };
	struct { void *handler; u32 flags; void *restorer; u32 mask[2]; } act = { handler, 0x4 | 0x08000000 | 0x40000000 | 0x04000000, restorer, { 0, 0 } };
	sys(186, (long)&ss, 0, 0, 0, 0, 0);
	static const int signals[] = { 4, 5, 7, 8, 11 };
	for (int i = 0; i < 5; i++)
		if (sys(174, signals[i], (long)&act, 0, 8, 0, 0) < 0)
			die(6);
	for (u32 i = first; i < h->cases; i++) {
		current = &s[i];
		for (u64 *p = (u64 *)SCRATCH; p < (u64 *)(SCRATCH + SCRATCH_BYTES); p++)
			*(volatile u64 *)p = 0;
		copy((u8 *)MID, s[i].mid, sizeof s[i].mid);
		copy((u8 *)EDGE, s[i].edge, sizeof s[i].edge);
		h->done = i; /* so that the host knows which case ended us, if one does */
		enter(&s[i]);
		copy(s[i].mid, (u8 *)MID, sizeof s[i].mid);
		copy(s[i].edge, (u8 *)EDGE, sizeof s[i].edge);
	}
	h->done = h->cases;
	die(0);
}
