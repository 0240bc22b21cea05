// Runs every vector instruction of a list under many configurations with random registers, and prints a digest of the state afterwards.
// The list is vector_words.h: { word, kind, cases }; kind 1: x10 is an address, 2: vl is often
// a multiple of four, 3: as 1, and elements of vector registers are small. With one argument, a number, it runs only every so-manieth configuration. With two, "WORD CONFIGURATION" of a line that differs, it prints that state whole.
// The same binary runs under two emulators, whose output must be equal.
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const struct { uint32_t word; uint8_t memory, cases; } words[] = {
#include "vector_words.h"
};
enum { COUNT = sizeof words / sizeof *words };

struct state {
    uint64_t a0, a1, a2, fa0, vl, vtype, vstart, vcsr, fcsr, code, sig_vstart, sig_offset;
    uint8_t v[512];
};
void run(struct state *);
// Loads everything, runs the code, stores everything.
__asm__(".text\n.option push\n.option arch, +v\n.globl run\nrun:\n"
        "addi sp, sp, -32\nsd ra, 0(sp)\nsd s0, 8(sp)\nmv s0, a0\n"
        "addi t0, s0, 96\nvl8re8.v v0, (t0)\naddi t0, t0, 128\nvl8re8.v v8, (t0)\naddi t0, t0, 128\nvl8re8.v v16, (t0)\naddi t0, t0, 128\nvl8re8.v v24, (t0)\n"
        "ld t0, 32(s0)\nld t1, 40(s0)\nvsetvl x0, t0, t1\n"
        "ld t1, 64(s0)\nfscsr t1\nld t1, 56(s0)\ncsrw vcsr, t1\n"
        "fld fa0, 24(s0)\nld a1, 8(s0)\nld a2, 16(s0)\nld t2, 72(s0)\nld a0, 0(s0)\nld t1, 48(s0)\ncsrw vstart, t1\n"
        "jalr t2\n"
        "sd a0, 0(s0)\nsd a1, 8(s0)\nsd a2, 16(s0)\nfsd fa0, 24(s0)\n"
        "csrr t0, vl\nsd t0, 32(s0)\ncsrr t0, vtype\nsd t0, 40(s0)\ncsrr t0, vstart\nsd t0, 48(s0)\ncsrr t0, vcsr\nsd t0, 56(s0)\nfrcsr t0\nsd t0, 64(s0)\n"
        "csrw vstart, x0\n"
        "addi t0, s0, 96\nvs8r.v v0, (t0)\naddi t0, t0, 128\nvs8r.v v8, (t0)\naddi t0, t0, 128\nvs8r.v v16, (t0)\naddi t0, t0, 128\nvs8r.v v24, (t0)\n"
        "ld ra, 0(sp)\nld s0, 8(sp)\naddi sp, sp, 32\nret\n.option pop\n");

static sigjmp_buf out;
static struct state s;
static uint8_t *memory; // Two pages, nothing around them.
static void fault(int signo, siginfo_t *info, void *context) {
    (void)context;
    s.sig_offset = signo == SIGSEGV ? (uint64_t)((uint8_t *)info->si_addr - memory) : 0;
    __asm__ volatile(".option push\n.option arch, +v\ncsrr %0, vstart\ncsrw vstart, x0\naddi t0, %1, 0\nvs8r.v v0, (t0)\naddi t0, t0, 128\nvs8r.v v8, (t0)\n"
                     "addi t0, t0, 128\nvs8r.v v16, (t0)\naddi t0, t0, 128\nvs8r.v v24, (t0)\n.option pop"
                     : "=&r"(s.sig_vstart) : "r"(s.v) : "t0", "memory");
    siglongjmp(out, signo);
}

static uint64_t seed;
static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static const uint64_t edges[] = { 0, ~0ull, 1, 0x7fffffffffffffff, 0x8000000000000000, 0x7fffffff7fffffff, 0x8000000080000000, 0x7fff7fff7fff7fff,
    0x8000800080008000, 0x7f7f7f7f7f7f7f7f, 0x8080808080808080, 0x0101010101010101, 0x0001000100010001, 0x0000000100000001, 0x3ff0000000000000,
    0x3f8000003f800000, 0x3c003c003c003c00, 0x7ff0000000000000, 0x7f800000ff800000, 0x7c00fc007c01fe00, 0x7ff8000000000000, 0x7ff0000000000001,
    0x7fc000007f800001, 0x0000000000000001, 0x000fffffffffffff, 0x007fffff00800000, 0x03ff040003ff0001, 0x7fefffffffffffff, 0x7f7fffffff7fffff,
    0x7bff7bfffbff0400, 0x4004000000000000, 0x40200000cf000000, 0x41dfffffffe00000, 0x0003000200010000, 0x0706050403020100, 0x000000010000000f };

static uint64_t value(void) {
    uint64_t r = next();
    switch (r & 7) {
    case 0: case 1: return edges[(r >> 8) % (sizeof edges / 8)];
    case 2: return (0x3ffull - 40 + (r >> 8) % 80) << 52 | next() >> 12 | next() << 63;
    case 3: return (0x7full - 20 + (r >> 8) % 40) << 55 | (next() >> 9 & 0x7fffff00000000) | (0x7full - 20 + (r >> 20) % 40) << 23 | (next() & 0x807fffff);
    case 4: return next() & 0x0f0f0f0f0f0f0f0f;
    default: return next();
    }
}

static uint64_t digest(const void *data, size_t len) {
    const uint64_t *p = data;
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < len / 8; i++)
        h = (h ^ p[i]) * 0x100000001b3, h ^= h >> 29;
    return h;
}

static void dump(const char *title) {
    printf("%s a0=%lx a1=%lx a2=%lx fa0=%lx vl=%lx vtype=%lx vstart=%lx vcsr=%lx fcsr=%lx\n", title, s.a0, s.a1, s.a2, s.fa0, s.vl, s.vtype, s.vstart,
        s.vcsr, s.fcsr);
    for (int r = 0; r < 32; r++) {
        printf("  v%d", r);
        for (int b = 15; b >= 0; b--)
            printf("%s%02x", b % 8 == 7 ? " " : "", s.v[16 * r + b]);
        printf("\n");
    }
}

int main(int argc, char **argv) {
    uint32_t only = argc > 2 ? strtoul(argv[1], 0, 16) : 0;
    int configuration = argc > 2 ? atoi(argv[2]) : 0, step = argc == 2 ? atoi(argv[1]) : 1;
    // Every width and group size has code of its own: the translator may make it for the configuration that it meets first, which is one of full length.
    uint32_t *code = mmap(0, 8 * 28 * COUNT + 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t *constant = mmap(0, 12 * 28 * COUNT + 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory = (uint8_t *)mmap(0, 34 * 4096, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 16 * 4096;
    mprotect(memory, 2 * 4096, 3);
    struct sigaction act = { .sa_sigaction = fault, .sa_flags = SA_NODEFER | SA_SIGINFO };
    sigaction(SIGILL, &act, 0);
    sigaction(SIGSEGV, &act, 0);
    sigaction(SIGBUS, &act, 0);
    for (int i = 0; i < 28 * COUNT; i++) {
        code[2 * i] = words[i / 28].word;
        code[2 * i + 1] = 0x00008067;
    }
    __asm__ volatile("fence.i" ::: "memory");
    static const int8_t lmuls[] = { 0, 1, 2, 3, -1, -2, -3 };
    for (int i = 0; i < COUNT; i++)
        // All widths and group sizes in turn, several rounds.
        for (int n = 0; n < words[i].cases; n += step) {
            seed = 88172645463325252ull + (uint64_t)words[i].word * 0x9e3779b97f4a7c15 + n * 0x1234567;
            next(), next(), next();
            int sew = n & 3, lmul = lmuls[(n >> 2) % 7];
            for (int b = 0; b < 512; b += 8) {
                uint64_t v = value();
                memcpy(s.v + b, &v, 8);
            }
            int address = words[i].memory & 1;
            if (address) {
                memset(memory, 0x5a, 2 * 4096);
                for (int b = 0; b < 512; b += 8) {
                    uint64_t v = value();
                    memcpy(memory + 2 * 4096 - 512 + b, &v, 8);
                }
            }
            s.vtype = (lmul & 7) | sew << 3 | (next() & 0xc0);
            int max = lmul >= 0 ? (16 >> sew) << lmul : (16 >> sew) >> -lmul;
            uint64_t r = next();
            s.vl = r % 5 == 0 ? 0 : r % 5 == 1 ? 1 : r % 5 == 2 ? (r >> 8) % (max + 1) : max;
            if (n < 28)
                s.vl = max;
            // A multiple of four often enough for those that need it.
            if (words[i].memory == 2 && r & 0x10000)
                s.vl &= ~3ull;
            // Some QEMU asserts that loads and stores begin before vl.
            int starts = words[i].memory & 1 ? (int)s.vl : max, special = words[i].word >> 20 & 0xff;
            if (words[i].memory == 1 && (special & 0xdf) == 8)
                starts = 2;
            if (words[i].memory == 1 && (special & 0xdf) == 11)
                starts = (s.vl + 7) / 8;
            s.vstart = n >= 28 && (r >> 32) % 8 == 0 && starts ? (r >> 40) % starts : 0;
            s.vcsr = r >> 48 & 7;
            s.fcsr = (r >> 52) % 5 << 5;
            s.a0 = value();
            s.a1 = r >> 60 & 1 ? value() : (r >> 61) - 2;
            s.a2 = value();
            s.fa0 = r & 0x100 ? value() : sew == 1 ? value() | 0xffffffffffff0000 : sew == 2 ? value() | 0xffffffff00000000 : value();
            if (address) {
                // Aligned near the end, or not aligned in the middle: what a misaligned access that faults has done may differ.
                int aligned = r >> 9 & 1;
                s.a0 = (uint64_t)memory + (aligned ? 2 * 4096 - ((r >> 10) % 600 & ~7ull) : 4096 + (r >> 10) % 64);
                s.a1 = aligned ? ((r >> 18 & 15) - 8) * 8 : (r >> 18 & 31) - 16;
                // Indices are below 256, or 512 where they are wider.
                int width = words[i].word >> 12 & 3;
                for (int b = 0; b < 512; b++)
                    if (words[i].memory == 3 && (b & ((1 << width) - 1)))
                        s.v[b] = (b & ((1 << width) - 1)) == 1 ? s.v[b] & 1 : 0;
                    else if (words[i].memory == 3 && aligned)
                        s.v[b] &= ~7;
            }
            s.code = (uint64_t)&code[2 * (28 * i + n % 28)];
            // In the second round behind a VSETIVLI of the same vtype and vl, which says at translation what they are.
            if (n >= 28 && n < 56 && s.vl < 32 && !s.vstart) {
                uint32_t *own = constant + 3 * (28 * i + n - 28);
                own[0] = 0xc0007057 | s.vtype << 20 | s.vl << 15;
                own[1] = words[i].word;
                own[2] = 0x00008067;
                __asm__ volatile("fence.i" ::: "memory");
                s.code = (uint64_t)own;
            }
            s.sig_vstart = s.sig_offset = 0;
            int show = only == words[i].word && configuration == n;
            if (only && !show)
                continue;
            uint64_t base = address ? s.a0 : 0, old = digest(s.v, 512) ^ (address ? digest(memory, 2 * 4096) : 0);
            if (show)
                dump("before");
            int signo = sigsetjmp(out, 1);
            if (!signo)
                run(&s);
            if (show)
                dump("after");
            if (base && s.a0 == base)
                s.a0 = 0;
            s.code = 0;
            if (signo == SIGILL)
                printf("%08x %d signal %d %s\n", words[i].word, n, signo,
                    old == (digest(s.v, 512) ^ (address ? digest(memory, 2 * 4096) : 0)) ? "unchanged" : "changed");
            else if (signo)
                printf("%08x %d signal %d vstart %lx at %lx %lx %lx\n", words[i].word, n, signo, s.sig_vstart, s.sig_offset, digest(s.v, 512),
                    digest(memory, 2 * 4096));
            else
                printf("%08x %d x=%lx f=%lx vl=%lx vtype=%lx vstart=%lx vcsr=%lx fcsr=%lx %lx %lx\n", words[i].word, n, s.a2, s.fa0, s.vl, s.vtype,
                    s.vstart, s.vcsr, s.fcsr, digest(s.v, 512), address ? digest(memory, 2 * 4096) : 0);
        }
    return 0;
}
