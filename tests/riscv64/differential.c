// Runs every instruction of a list with a set of operands and prints what changed. The list is words.h: { word, memory, edges }: whether x10 is an address, and
// whether the first (1) and the second (2) operand take all edge values (of an access to memory, what is there is the first).
// With an argument, a number, only every so-manieth case.
// The same binary runs under two emulators, whose output must be equal. What an instruction meets depends on its word alone, so that outputs can be
// compared with recorded ones. A word whose low half is a compressed instruction has another one above it.
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const struct { uint32_t word; uint8_t memory, edges; } words[] = {
#include "words.h"
};
enum { COUNT = sizeof words / sizeof *words };

struct state { uint64_t a, b, d, fa, fb, fc, fd, fcsr, code, c, e, f; };
void run(struct state *);
__asm__(".text\n.globl run\nrun:\n"
        "addi sp, sp, -32\nsd ra, 0(sp)\nsd s0, 8(sp)\nmv s0, a0\n"
        "ld t1, 56(s0)\nfscsr t1\nld t2, 64(s0)\n"
        "fld fa0, 24(s0)\nfld fa1, 32(s0)\nfld fa3, 40(s0)\nfld fa2, 48(s0)\n"
        "ld a1, 8(s0)\nld a2, 16(s0)\nld a3, 72(s0)\nld a4, 80(s0)\nld a5, 88(s0)\nld a0, 0(s0)\n"
        "jalr t2\n"
        "sd a0, 0(s0)\nsd a1, 8(s0)\nsd a2, 16(s0)\nsd a3, 72(s0)\nfsd fa0, 24(s0)\nfsd fa1, 32(s0)\nfsd fa3, 40(s0)\nfsd fa2, 48(s0)\nfrcsr t1\nsd t1, 56(s0)\n"
        "ld ra, 0(sp)\nld s0, 8(sp)\naddi sp, sp, 32\nret\n");

static sigjmp_buf out;
static void illegal(int signo) { siglongjmp(out, signo); }

static uint64_t seed = 88172645463325252ull;
static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static const uint64_t ints[] = { 0, 1, -1, 2, 63, 64, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000,
    0xffffffff80000000, 0x0123456789abcdef, 0x8040201008040201 };
static const uint64_t doubles[] = { 0, 0x8000000000000000, 0x3ff0000000000000, 0xbff8000000000000, 0x7ff0000000000000, 0xfff0000000000000,
    0x7ff8000000000000, 0x7ff0000000000001, 0xfff8000000001234, 1, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff, 0x4004000000000000,
    0x41dfffffffe00000, 0x41e0000000000000, 0xc1e0000000200000, 0x43e0000000000000, 0xc3e0000000000000, 0x3fe0000000000000, 0x3810000000000000,
    0x380fffffffffffff, 0x47efffffefffffff };
static const uint64_t singles[] = { 0, 0x80000000, 0x3f800000, 0xbfc00000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffc01234, 1, 0x7fffff,
    0x800000, 0x7f7fffff, 0x40200000, 0x4effffff, 0x4f000000, 0xcf000001, 0x5f000000, 0xdf000000, 0x3f000000 };

static uint64_t integer(void) {
    uint64_t r = next();
    return r & 1 ? ints[(r >> 8) % (sizeof ints / 8)] : r & 2 ? next() : (uint64_t)((int64_t)next() >> (r >> 8 & 63));
}

static uint64_t floating(void) {
    uint64_t r = next(), n = r >> 16;
    switch (r & 7) {
    case 0: case 1: return doubles[n % (sizeof doubles / 8)];
    case 2: case 3: return 0xffffffff00000000 | singles[n % (sizeof singles / 8)];
    case 4: return 0xffffffff00000000 | (uint32_t)next();
    case 5: return 0xffffffffffff0000 | (uint16_t)next();
    case 6: return (0x3ffull - 40 + n % 80) << 52 | (next() >> 12) | next() << 63;
    default: return next();
    }
}

enum { EDGES = 16 };
static const uint64_t int_edges[EDGES] = { 0, 1, -1, 2, 0x7f, 0x80, 0x8000, 63, 64, 0x7fffffff, 0x80000000, 0xffffffff, 0xffffffff80000000,
    0x7fffffffffffffff, 0x8000000000000000, 0x0123456789abcdef };
// Zeros, infinities, NaNs of both kinds, smallest and largest subnormal and normal numbers, ones, a tie, a number that no integer holds; in the order of fmt.
static const uint64_t float_edges[3][EDGES] = {
    { 0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffc01234, 1, 0x807fffff, 0x800000, 0x80800001, 0x7f7fffff, 0x3f800000,
        0xbf800000, 0x40200000, 0xdf000001 },
    { 0, 0x8000000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001, 0xfff8000000001234, 1,
        0x800fffffffffffff, 0x0010000000000000, 0x8010000000000001, 0x7fefffffffffffff, 0x3ff0000000000000, 0xbff0000000000000, 0x4004000000000000,
        0xc3e0000000000001 },
    { 0, 0x8000, 0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xfe12, 1, 0x83ff, 0x0400, 0x8401, 0x7bff, 0x3c00, 0xbc00, 0x4100, 0xfbff },
};

static uint64_t float_edge(uint32_t word, int n) {
    // Conversions between formats have the operand's in rs2.
    uint32_t fmt = (word & 0xf800007f) == 0x40000053 && (word >> 20 & 31) < 4 ? word >> 20 & 3 : word >> 25 & 3;
    return fmt == 3 ? 0 : float_edges[fmt][n] | (uint64_t[]){ 0xffffffff00000000, 0, 0xffffffffffff0000 }[fmt];
}

// At a fixed place: its address may be an operand.
static uint64_t *memory;

int main(int argc, char **argv) {
    int step = argc > 1 ? atoi(argv[1]) : 1;
    uint32_t *code = mmap(0, 8 * COUNT + 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory = mmap((void *)0x30000000, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    struct sigaction act = { .sa_handler = illegal, .sa_flags = SA_NODEFER };
    sigaction(SIGILL, &act, 0);
    sigaction(SIGSEGV, &act, 0);
    sigaction(SIGBUS, &act, 0);
    for (int i = 0; i < COUNT; i++) {
        code[2 * i] = words[i].word;
        code[2 * i + 1] = 0x00008067;
    }
    __asm__ volatile("fence.i" ::: "memory");
    for (int i = 0; i < COUNT; i++) {
        int first = words[i].edges & 1 ? EDGES : 1, second = words[i].edges & 2 ? EDGES : 1, crosses = words[i].edges ? first * second : 0;
        for (int n = 0; n < 24 + crosses; n += step) {
            seed = 88172645463325252ull ^ (words[i].word + (uint64_t)n * 0x1234567) * 0x9e3779b97f4a7c15ull;
            next(), next();
            for (int m = 0; m < 8; m++)
                memory[m] = floating();
            struct state s = { integer(), integer(), next(), floating(), floating(), floating(), next(), next() % 8 << 5, (uint64_t)&code[2 * i],
                integer(), integer(), integer() };
            if (n >= 24) {
                int x = (n - 24) % first, y = (n - 24) / first;
                if (first > 1)
                    s.a = memory[2] = int_edges[x], s.fa = float_edge(words[i].word, x);
                if (second > 1)
                    s.b = int_edges[y], s.fb = float_edge(words[i].word, y);
                if (s.fcsr >= 5 << 5)
                    s.fcsr = 0;
            } else if (n & 1)
                s.b = s.a;
            if (words[i].memory)
                s.a = (uint64_t)&memory[2];
            // A compare and swap may succeed.
            if (words[i].memory && n % 3 == 0)
                s.d = memory[2], s.c = memory[3];
            struct state old = s;
            int signo = sigsetjmp(out, 1);
            if (!signo)
                run(&s);
            printf("%08x %d %lx %lx %lx %lx %lx %lx -> ", words[i].word, n, old.a, old.b, old.fa, old.fb, old.fc, old.fcsr);
            if (signo)
                printf("signal %d\n", signo);
            else {
                uint64_t sum = 0;
                for (int m = 0; m < 8; m++)
                    sum = sum * 31 + memory[m];
                printf("%lx %lx %lx %lx %lx %lx %lx %lx %lx %lx\n", s.a, s.b, s.d, s.c, s.fa, s.fb, s.fc, s.fd, s.fcsr, sum);
            }
        }
    }
    return 0;
}
