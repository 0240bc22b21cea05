/* The other side of the instruction oracle: runs instructions on whatever executes this program.
 *
 * It is a static program without any library. The batch file (see src/batch.rs, which writes it) is mapped shared: a header
 * page, the code, then one state record per case. For each case the state is loaded into the processor, the code at
 * `pc` runs, and the state after it replaces the record. Code ends in a branch to EXIT of state.rs, where the guest's part stores
 * the state, or in a breakpoint; whatever ends otherwise (a fault, a trap, a branch to a place with no code) ends in the signal
 * handler, which takes the state from its frame.
 *
 * runner.h is the guest's part: `struct registers`; `_start`, which calls start_c with the stack's address; oracle_enter, which
 * loads a state and jumps in front of its `pc`, where the last registers are loaded; oracle_leave, which returns from oracle_enter;
 * sys, a system call with its number (those of asm-generic); and interrupted, which takes the registers from a signal's frame and
 * returns the pc.
 *
 * Code is never changed while it runs: an emulator would have to drop translations for each case.
 */
typedef unsigned long long u64;
typedef unsigned long word;
typedef unsigned int u32;
typedef unsigned char u8;

#define CODE_BASE 0x11000000UL
#define SCRATCH 0x30000000UL
#define MID (SCRATCH + 0x1000 - 128)
#define EDGE (SCRATCH + 0x2000 - 64)

struct state;
struct state *current;

void oracle_enter(struct state *s);
void oracle_leave(void) __attribute__((noreturn));
static void die(int code);

#include "runner.h"

struct state {
	u64 pc, signo, code, addr;
	struct registers r;
	u8 mid[256], edge[64];
};
_Static_assert(sizeof(struct state) == STATE_BYTES, "the guest's Registers");

struct header {
	u64 cases, done, code_bytes, file_bytes;
};

static void die(int code) { for (;;) sys(94, code, 0, 0, 0, 0, 0); }

static void copy(u8 *to, const u8 *from, u64 n)
{
	for (u64 i = 0; i < n; i += 8)
		*(volatile u64 *)(to + i) = *(const u64 *)(from + i);
}

static void handler(int signo, u8 *info, struct ucontext *uc)
{
	struct state *s = current;
	s->pc = interrupted(&s->r, uc);
	s->signo = signo;
	s->code = *(u32 *)(info + 8);
	s->addr = *(word *)(info + 8 + sizeof(word));
	oracle_leave();
}

static u8 alternate[65536] __attribute__((aligned(64)));

void start_c(word *sp)
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
	struct { u8 *sp; word flags, size; } ss = { alternate, 0, sizeof alternate };
	struct { void *handler; word flags; void *restorer; u32 mask[2]; } act = { handler, 0x4 | 0x08000000 | 0x40000000, 0, { 0, 0 } };
	sys(132, (long)&ss, 0, 0, 0, 0, 0);
	static const int signals[] = { 4, 5, 7, 8, 11 };
	for (int i = 0; i < 5; i++)
		if (sys(134, signals[i], (long)&act, 0, 8, 0, 0) < 0)
			die(6);
	for (u64 i = first; i < h->cases; i++) {
		current = &s[i];
		/* Nothing is left over from what went beyond the windows. */
		for (u64 *at = (u64 *)SCRATCH; at < (u64 *)(SCRATCH + 0x2000); at++)
			*(volatile u64 *)at = 0;
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
