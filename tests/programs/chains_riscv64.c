// Random chains of integer instructions, each with operands that the ones before it have just
// written, in registers of all kinds: what a translator knows of one instruction's result when it
// comes to the next must be true. With loads, stores, atomics, branches over some of the
// instructions, and loops. Each is written to a page and run on random registers; registers and
// memory afterwards are printed.
//@ guest-only: riscv64
//@ oracle
//@ variants: static interp
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

static uint64_t seed = 88172645463325252ull;
static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return (seed ^= seed << 17) >> 11;
}

// The registers of the chains; t6 points at the memory, t2 and s0 are the caller's own.
#define EACH(f) f(5, 0) f(6, 1) f(10, 2) f(11, 3) f(12, 4) f(13, 5) f(14, 6) f(15, 7) f(16, 8) f(17, 9) f(28, 10) f(29, 11) f(30, 12) f(18, 13) f(19, 14) f(20, 15)
enum { REGS = 16 };
#define NUMBER(x, n) x,
static const uint8_t numbers[REGS] = { EACH(NUMBER) };
#define LOAD(x, n) "ld x" #x ", 8*" #n "(s0)\n"
#define STORE(x, n) "sd x" #x ", 8*" #n "(s0)\n"
void run(uint64_t *regs, void *code, void *memory);
__asm__(".text\n.globl run\nrun:\naddi sp, sp, -48\nsd ra, 0(sp)\nsd s0, 8(sp)\nsd s2, 16(sp)\nsd s3, 24(sp)\nsd s4, 32(sp)\n"
        "mv s0, a0\nmv t2, a1\nmv t6, a2\n" EACH(LOAD) "jalr t2\n" EACH(STORE)
        "ld ra, 0(sp)\nld s0, 8(sp)\nld s2, 16(sp)\nld s3, 24(sp)\nld s4, 32(sp)\naddi sp, sp, 48\nret\n");

static uint32_t *at;
static int last = 10;
static int reg(void) { return numbers[next() % REGS]; }
static int source(void) { return next() % 16 == 0 ? 0 : next() % 2 ? last : reg(); }

// funct7 << 10 | funct3 << 7 | opcode of what has three registers.
static const uint32_t three[] = {
#define R(f7, f3, op) f7 << 10 | f3 << 7 | op
    R(0, 0, 0x33), R(0, 0, 0x33), R(0x20, 0, 0x33), R(0, 1, 0x33), R(0, 2, 0x33), R(0, 3, 0x33), R(0, 4, 0x33), R(0, 5, 0x33), R(0x20, 5, 0x33), R(0, 6, 0x33), R(0, 7, 0x33),
    R(0, 0, 0x3b), R(0, 0, 0x3b), R(0x20, 0, 0x3b), R(0, 1, 0x3b), R(0, 5, 0x3b), R(0x20, 5, 0x3b),
    R(1, 0, 0x33), R(1, 1, 0x33), R(1, 2, 0x33), R(1, 3, 0x33), R(1, 4, 0x33), R(1, 5, 0x33), R(1, 6, 0x33), R(1, 7, 0x33),
    R(1, 0, 0x3b), R(1, 4, 0x3b), R(1, 5, 0x3b), R(1, 6, 0x3b), R(1, 7, 0x3b),
    R(4, 0, 0x3b), R(0x10, 2, 0x33), R(0x10, 4, 0x33), R(0x10, 6, 0x33), R(0x10, 4, 0x3b), R(0x20, 7, 0x33), R(0x20, 6, 0x33), R(0x20, 4, 0x33),
    R(5, 4, 0x33), R(5, 5, 0x33), R(5, 6, 0x33), R(5, 7, 0x33), R(0x30, 1, 0x33), R(0x30, 5, 0x33), R(0x30, 1, 0x3b), R(0x14, 1, 0x33), R(0x24, 5, 0x33),
};
static void word(uint32_t w) { *at++ = w; }

// One instruction that does not write register `keep`.
static void one(int keep) {
    int d = next() % 3 ? reg() : last, kind = next() % 16;
    if (d == keep)
        d = 0;
    uint32_t rd = d << 7, s1 = source() << 15, s2 = source() << 20, imm = next() % 2 ? next() % 32 - 16 : next();
    if (kind < 5) {
        uint32_t r = three[next() % (sizeof three / 4)];
        word((r >> 10) << 25 | s2 | s1 | (r >> 7 & 7) << 12 | rd | (r & 127));
    } else if (kind < 8) {
        static const uint8_t funct3[] = { 0, 0, 0, 2, 3, 4, 6, 7, 7 };
        word(imm << 20 | s1 | funct3[next() % 9] << 12 | rd | 0x13);
    } else if (kind < 9)
        word((next() % 3 ? imm << 20 : 0) | s1 | rd | 0x1b); // addiw, sext.w
    else if (kind < 11) {
        uint32_t wide = next() % 2, right = next() % 2;
        word((next() % (wide ? 64 : 32)) << 20 | s1 | (right ? 5 : 1) << 12 | rd | (wide ? 0x13 : 0x1b) | (right && next() % 2 ? 1u << 30 : 0));
    } else if (kind < 13)
        word((next() % 256) << 20 | 31 << 15 | (next() % 7) << 12 | rd | 0x03);
    else if (kind < 14) {
        uint32_t offset = next() % 256;
        word((offset >> 5) << 25 | s2 | 31 << 15 | (next() % 4) << 12 | (offset & 31) << 7 | 0x23);
        return;
    } else if (kind < 15) {
        static const uint8_t amo[] = { 0, 0, 0, 1, 4, 8, 12, 16, 20, 24, 28 };
        if (next() % 4 == 0)
            word(0x0330000f); // fence rw, rw
        word((uint32_t)amo[next() % 11] << 27 | (next() % 4) << 25 | s2 | 31 << 15 | (2 + next() % 2) << 12 | (next() % 2 ? rd : 0) | 0x2f);
        if (next() % 4 == 0)
            word(0x0330000f);
    } else
        word((uint32_t)next() << 12 | rd | (next() % 2 ? 0x37 : 0x37));
    if (d)
        last = d;
}

static void branch(int offset, uint32_t funct3, int a, int b) {
    uint32_t o = offset;
    word((o >> 12 & 1) << 31 | (o >> 5 & 63) << 25 | b << 20 | a << 15 | funct3 << 12 | (o >> 1 & 15) << 8 | (o >> 11 & 1) << 7 | 0x63);
}

int main(void) {
    uint32_t *page = mmap((void *)0x50000000, 16 << 20, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    static uint64_t memory[33];
    at = page;
    for (int n = 0; n < 3000; n++) {
        uint64_t r[REGS];
        for (int i = 0; i < REGS; i++)
            r[i] = next() % 3 ? next() * next() : next() % 2 ? next() % 4 - 2 : (uint64_t)(int64_t)(int32_t)next() >> (next() & 1) * 32;
        for (int i = 0; i < 32; i++)
            memory[i] = next() % 2 ? next() * next() : next() % 3 - 1;
        uint32_t *code = at;
        uint32_t *start = 0;
        int counter = 0;
        for (int length = 4 + next() % 10; length-- > 0;) {
            one(counter);
            int what = next() % 8;
            if (what == 0) {
                // Over the next instruction, which may be followed by a fence of its own.
                static const uint8_t funct3[] = { 0, 0, 1, 1, 4, 5, 6, 7 };
                uint32_t *from = at++;
                int a = source(), b = next() % 2 ? 0 : source();
                one(counter);
                uint32_t *to = at;
                at = from;
                branch((char *)to - (char *)from, funct3[next() % 8], a, b);
                at = to;
            } else if (what == 1 && !counter) {
                counter = reg();
                word(3 << 20 | counter << 7 | 0x13);
                start = at;
            } else if (what == 2 && counter) {
                word(0xfff00013 | (next() % 2 ? 8 : 0) | counter << 15 | counter << 7);
                branch((char *)start - (char *)at, 1, counter, 0);
                last = counter, counter = 0;
            }
        }
        word(0x8067);
        __asm__ volatile("fence.i" ::: "memory");
        run(r, code, memory);
        printf("%d:", n);
        for (int i = 0; i < REGS; i++)
            printf(" %lx", r[i]);
        uint64_t hash = 0;
        for (int i = 0; i < 33; i++)
            hash = (hash ^ memory[i]) * 0x9e3779b97f4a7c15 + (hash >> 29);
        printf(" %lx\n", hash);
    }
    return 0;
}
