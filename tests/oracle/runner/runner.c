/* The other side of the instruction oracle: runs instructions on whatever executes this aarch64 program.
 *
 * It is a static program without any library. The batch file (see src/batch.rs, which writes it) is mapped shared: a header
 * page, the code, then one state record per case. For each case the state is loaded into the processor, the code at
 * `pc` runs, and the state after it replaces the record. Code ends in a branch to `oracle_exit`; whatever ends otherwise
 * (a fault, a trap, a branch to a place with no code) ends in the signal handler, which takes the state from its frame.
 *
 * Code is never changed while it runs: an emulator would have to drop translations for each case.
 */
typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;

#define CODE_BASE 0x11000000UL
#define SCRATCH 0x30000000UL
#define MID (SCRATCH + 0x1000 - 128)
#define EDGE (SCRATCH + 0x2000 - 64)

struct state {
	u64 x[31], sp, pc, nzcv, fpcr, fpsr, tpidr, signo, code, addr;
	u64 v[32][2];
	u8 mid[256], edge[64];
};

struct header {
	u64 cases, done, code_bytes, file_bytes;
};

u64 saved_frame[13]; /* callee-saved registers and sp of the loop, for oracle_leave */
struct state *current;

void oracle_enter(struct state *s);
void oracle_leave(void) __attribute__((noreturn));

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
"	ldr x1, [x0, 272]\n	msr fpcr, x1\n"
"	ldr x1, [x0, 280]\n	msr fpsr, x1\n"
"	ldr x1, [x0, 288]\n	msr tpidr_el0, x1\n"
"	ldr x1, [x0, 264]\n	msr nzcv, x1\n"
"	ldr x1, [x0, 248]\n	mov sp, x1\n"
"	ldr x1, [x0, 256]\n	sub x1, x1, 4\n"
"	ldp x2, x3, [x0, 16]\n	ldp x4, x5, [x0, 32]\n	ldp x6, x7, [x0, 48]\n	ldp x8, x9, [x0, 64]\n"
"	ldp x10, x11, [x0, 80]\n	ldp x12, x13, [x0, 96]\n	ldp x14, x15, [x0, 112]\n	ldp x16, x17, [x0, 128]\n"
"	ldp x18, x19, [x0, 144]\n	ldp x20, x21, [x0, 160]\n	ldp x22, x23, [x0, 176]\n	ldp x24, x25, [x0, 192]\n"
"	ldp x26, x27, [x0, 208]\n	ldp x28, x29, [x0, 224]\n	ldr x30, [x0, 240]\n"
/* The word in front of every case's code is `ldp x0, x1, [x0]`: the jump needs two registers until the last moment. */
"	br x1\n"
"oracle_exit:\n"
/* No register is free: the thread pointer keeps x0 meanwhile. */
"	msr tpidr_el0, x0\n"
"	adrp x0, current\n	ldr x0, [x0, :lo12:current]\n"
"	stp x2, x3, [x0, 16]\n	mrs x2, tpidr_el0\n	stp x2, x1, [x0]\n"
"	stp x4, x5, [x0, 32]\n	stp x6, x7, [x0, 48]\n"
"	stp x8, x9, [x0, 64]\n	stp x10, x11, [x0, 80]\n	stp x12, x13, [x0, 96]\n	stp x14, x15, [x0, 112]\n"
"	stp x16, x17, [x0, 128]\n	stp x18, x19, [x0, 144]\n	stp x20, x21, [x0, 160]\n	stp x22, x23, [x0, 176]\n"
"	stp x24, x25, [x0, 192]\n	stp x26, x27, [x0, 208]\n	stp x28, x29, [x0, 224]\n	str x30, [x0, 240]\n"
"	mov x1, sp\n	str x1, [x0, 248]\n"
"	mrs x1, nzcv\n	str x1, [x0, 264]\n"
"	mrs x1, fpcr\n	str x1, [x0, 272]\n"
"	mrs x1, fpsr\n	str x1, [x0, 280]\n"
"	str xzr, [x0, 296]\n"
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

static void die(int code) { for (;;) sys(94, code, 0, 0, 0, 0, 0); }

static void copy(u8 *to, const u8 *from, u64 n)
{
	for (u64 i = 0; i < n; i += 8)
		*(volatile u64 *)(to + i) = *(const u64 *)(from + i);
}

/* The kernel's frame (arch/arm64/include/uapi/asm/sigcontext.h). */
struct ucontext {
	u64 flags, link, ss_sp, ss_flags, ss_size, mask[16], align;
	u64 fault_address, regs[31], sp, pc, pstate, pad;
	u32 magic, size, fpsr, fpcr;
	u64 v[32][2];
};

static void handler(int signo, u8 *info, struct ucontext *uc)
{
	struct state *s = current;
	for (int i = 0; i < 31; i++)
		s->x[i] = uc->regs[i];
	s->sp = uc->sp;
	s->pc = uc->pc;
	s->nzcv = uc->pstate & 0xf0000000;
	if (uc->magic != 0x46508001)
		die(9);
	s->fpcr = uc->fpcr;
	s->fpsr = uc->fpsr;
	s->signo = signo;
	s->code = *(u32 *)(info + 8);
	s->addr = *(u64 *)(info + 16);
	for (int i = 0; i < 32; i++) {
		s->v[i][0] = uc->v[i][0];
		s->v[i][1] = uc->v[i][1];
	}
	oracle_leave();
}

static u8 alternate[65536] __attribute__((aligned(64)));

void start_c(u64 *sp)
{
	if (sp[0] != 3)
		die(2);
	char *name = (char *)sp[2], *from = (char *)sp[3];
	u64 first = 0;
	for (; *from; from++)
		first = first * 10 + (*from - '0');
	long fd = sys(56, -100, (long)name, 2, 0, 0, 0);
	if (fd < 0)
		die(3);
	struct header *h = (void *)sys(222, 0, 4096, 3, 1, fd, 0);
	if ((long)h < 0 && (long)h > -4096)
		die(4);
	struct state *s = (void *)sys(222, 0, h->file_bytes - h->code_bytes - 4096, 3, 1, fd, 4096 + h->code_bytes);
	long code = sys(222, CODE_BASE, h->code_bytes, 5, 0x12, fd, 4096);
	long scratch = sys(222, SCRATCH, 0x2000, 3, 0x32, -1, 0);
	if (code != CODE_BASE || scratch != SCRATCH || ((long)s < 0 && (long)s > -4096))
		die(5);
	struct { u8 *sp; u64 flags, size; } ss = { alternate, 0, sizeof alternate };
	struct { void *handler; u64 flags; void *restorer; u64 mask; } act = { handler, 0x4 | 0x08000000 | 0x40000000, 0, 0 };
	sys(132, (long)&ss, 0, 0, 0, 0, 0);
	static const int signals[] = { 4, 5, 7, 8, 11 };
	for (int i = 0; i < 5; i++)
		if (sys(134, signals[i], (long)&act, 0, 8, 0, 0) < 0)
			die(6);
	for (u64 i = first; i < h->cases; i++) {
		current = &s[i];
		copy((u8 *)MID, s[i].mid, sizeof s[i].mid);
		copy((u8 *)EDGE, s[i].edge, sizeof s[i].edge);
		h->done = i; /* so that the host knows which case ended us, if one does */
		oracle_enter(&s[i]);
		copy(s[i].mid, (u8 *)MID, sizeof s[i].mid);
		copy(s[i].edge, (u8 *)EDGE, sizeof s[i].edge);
	}
	h->done = h->cases;
	die(0);
}
