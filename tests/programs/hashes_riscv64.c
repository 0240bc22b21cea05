// VSHA2CL with VSHA2CH behind it, which may be translated as one step, against the same two with an instruction between them: random state, every width and group
// size, registers that overlap, and code that was translated for one configuration run under another.
//@ guest-only: riscv64
#include "../check.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

struct state {
	uint64_t vl, vtype, vstart, code;
	uint8_t v[512];
};
void run(struct state *);
__asm__(".text\n.option push\n.option arch, +v\n.globl run\nrun:\n"
	"addi sp, sp, -16\nsd ra, 0(sp)\nsd s0, 8(sp)\nmv s0, a0\n"
	"addi t0, s0, 32\nvl8re8.v v0, (t0)\naddi t0, t0, 128\nvl8re8.v v8, (t0)\naddi t0, t0, 128\nvl8re8.v v16, (t0)\naddi t0, t0, 128\nvl8re8.v v24, (t0)\n"
	"ld t0, 0(s0)\nld t1, 8(s0)\nvsetvl x0, t0, t1\nld t1, 16(s0)\nld t2, 24(s0)\ncsrw vstart, t1\njalr t2\n"
	"csrr t0, vl\nsd t0, 0(s0)\ncsrr t0, vtype\nsd t0, 8(s0)\ncsrr t0, vstart\nsd t0, 16(s0)\ncsrw vstart, x0\n"
	"addi t0, s0, 32\nvs8r.v v0, (t0)\naddi t0, t0, 128\nvs8r.v v8, (t0)\naddi t0, t0, 128\nvs8r.v v16, (t0)\naddi t0, t0, 128\nvs8r.v v24, (t0)\n"
	"ld ra, 0(sp)\nld s0, 8(sp)\naddi sp, sp, 16\nret\n.option pop\n");

static sigjmp_buf out;
static uint64_t stopped;

static void illegal(int signo, siginfo_t *info, void *context)
{
	(void)context;
	stopped = (uint64_t)info->si_addr;
	__asm__ volatile("csrw vstart, x0");
	siglongjmp(out, signo);
}

static uint64_t seed = 88172645463325252;
static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static int play(struct state *s, const uint32_t *code)
{
	s->code = (uint64_t)code;
	stopped = 0;
	if (!sigsetjmp(out, 1)) {
		run(s);
		return 0;
	}
	// Which of the two was illegal.
	CHECK(stopped - (uint64_t)code <= 8);
	return stopped == (uint64_t)code ? 1 : 2;
}

static uint32_t word(uint32_t op, uint32_t vd, uint32_t vs2, uint32_t vs1)
{
	return op << 26 | 1 << 25 | vs2 << 20 | vs1 << 15 | 2 << 12 | vd << 7 | 0x77;
}

enum { CL = 0x2f, CH = 0x2e, NOP = 0x13, RET = 0x8067 };
static const uint8_t registers[][3] = { { 8, 16, 24 }, { 7, 6, 5 }, { 24, 22, 18 }, { 0, 8, 16 }, { 4, 12, 28 }, { 2, 4, 6 }, { 8, 8, 16 }, { 8, 16, 16 }, { 31, 30, 1 } };
static const int8_t lmuls[] = { 0, 1, 2, 3, -1, -2 };

int main(void)
{
	struct sigaction act = { .sa_sigaction = illegal, .sa_flags = SA_SIGINFO };
	sigaction(SIGILL, &act, 0);
	uint32_t *code = mmap(0, 1 << 20, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *p = code;
	int runs = 0, legal = 0;
	for (int sew = 0; sew < 4; sew++)
		for (unsigned l = 0; l < sizeof lmuls; l++)
			for (unsigned r = 0; r < sizeof registers / sizeof *registers; r++) {
				uint32_t a = registers[r][0], b = registers[r][1], w = registers[r][2];
				uint32_t *together = p, *apart = p + 3;
				*p++ = word(CL, a, b, w), *p++ = word(CH, b, a, w), *p++ = RET;
				*p++ = word(CL, a, b, w), *p++ = NOP, *p++ = word(CH, b, a, w), *p++ = RET;
				__asm__ volatile("fence.i" ::: "memory");
				int max = lmuls[l] >= 0 ? (16 >> sew) << lmuls[l] : (16 >> sew) >> -lmuls[l];
				for (int n = 0; n < 6; n++) {
					struct state s, t;
					for (unsigned k = 0; k < sizeof s.v; k += 8) {
						uint64_t x = next();
						memcpy(s.v + k, &x, 8);
					}
					// First what it is translated for; then less of it, a start in the middle, another group size, another width.
					s.vtype = (lmuls[l] & 7) | sew << 3 | 0xc0;
					s.vl = max, s.vstart = 0;
					if (n == 2)
						s.vl = next() % (max + 1) & ~3;
					else if (n == 3)
						s.vstart = max > 4 ? 4 : 0;
					else if (n == 4)
						s.vtype ^= 1;
					else if (n == 5)
						s.vtype ^= 8;
					t = s;
					int one = play(&s, together), two = play(&t, apart);
					CHECK(one == two);
					t.code = s.code;
					CHECK(!memcmp(&s, &t, sizeof s));
					runs++, legal += !one;
				}
			}
	CHECK(legal > runs / 10);
	return 0;
}
