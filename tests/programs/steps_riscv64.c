// Sequences that a translator may make one step of: random pairs of shifts, of LUI and AUIPC with
// what follows them, calls of short functions, and loops of compare and swap. Each is written to a
// page, run on random registers, and the registers afterwards are printed. The same binary runs
// under two emulators, whose output must be equal.
//@ guest-only: riscv64
//@ oracle
//@ variants: static interp
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static uint64_t seed = 88172645463325252ull;
static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return (seed ^= seed << 17) >> 11;
}

// a0 to a5 are loaded and stored; ra is kept in t5.
void run(uint64_t *regs, void *code);
__asm__(".text\n.globl run\nrun:\naddi sp, sp, -32\nsd ra, 0(sp)\nsd s0, 8(sp)\nmv s0, a0\nmv t2, a1\n"
        "ld a0, 0(s0)\nld a1, 8(s0)\nld a2, 16(s0)\nld a3, 24(s0)\nld a4, 32(s0)\nld a5, 40(s0)\njalr t2\n"
        "sd a0, 0(s0)\nsd a1, 8(s0)\nsd a2, 16(s0)\nsd a3, 24(s0)\nsd a4, 32(s0)\nsd a5, 40(s0)\n"
        "ld ra, 0(sp)\nld s0, 8(sp)\naddi sp, sp, 32\nret\n");

static uint16_t *at;
static void half(uint32_t h) { *at++ = h; }
static void word(uint32_t w) { half(w), half(w >> 16); }
static uint32_t i_type(int imm, int rs1, int funct3, int rd, int opcode) { return (uint32_t)imm << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode; }
static uint32_t b_type(int offset, int rs2, int rs1) {
    return (offset >> 12 & 1u) << 31 | (offset >> 5 & 63) << 25 | rs2 << 20 | rs1 << 15 | 0x1063 | (offset >> 1 & 15) << 8 | (offset >> 11 & 1) << 7;
}
static int reg(void) { return 10 + next() % 6; }
static int sometimes(int n) { return next() % 3 == 0 ? reg() : n; }

int main(void) {
    uint16_t *page = mmap((void *)0x50000000, 16 << 20, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), *start = page;
    static uint64_t cell;
    for (int n = 0; n < 6000; n++) {
        uint64_t r[6];
        for (int i = 0; i < 6; i++)
            r[i] = next() % 3 ? next() * next() : (uint64_t)(int64_t)(int32_t)next() >> (next() & 1) * 32;
        // The leaf that a call goes to, then the code; sometimes at the end of a page.
        if (next() % 8 == 0)
            start = (uint16_t *)(((uintptr_t)start + 4096) & -4096) - 2 - next() % 24;
        at = start;
        int kind = next() % 10, d = reg(), s = reg(), e = sometimes(d);
        uint16_t *leaf = at;
        word(i_type(next() % 100, d, 0, d, 0x13));
        if (next() & 1)
            word(0x00d60633 | reg() << 20); // add a2, a2, ...
        if (next() & 1)
            half(0x8082);
        else
            word(0x8067);
        uint16_t *code = at;
        word(0x00008f13); // mv t5, ra
        switch (kind) {
        case 0: case 1: { // shifts, the first perhaps compressed
            int left = next() % 64, right = next() % 3 ? left : next() % 64;
            if (next() & 1)
                left = right = 32;
            if (next() & 1 && left)
                half(0x0002 | (left & 31) << 2 | (left >> 5) << 12 | d << 7), s = d;
            else
                word(i_type(left, s, 1, d, 0x13));
            word(i_type(right | (next() & 1) << 10, sometimes(d), 5, e, 0x13));
            break;
        }
        case 2: { // an index
            int a = sometimes(d), b = reg();
            word(i_type(next() % 5, s, 1, d, 0x13));
            if (next() & 1)
                half(0x9002 | d << 7 | b << 2);
            else
                word(b << 20 | a << 15 | e << 7 | 0x33);
            break;
        }
        case 3: // a constant
            word((uint32_t)next() << 12 | d << 7 | 0x37);
            word(i_type(next() % 4096, sometimes(d), 0, e, next() & 1 ? 0x1b : 0x13));
            break;
        case 4: { // an address, a load
            word(0 << 12 | d << 7 | 0x17);
            if (next() & 1) {
                uint32_t offset = next() % 16;
                word(i_type(offset, d, 0, e, 0x13));
                word(0 << 12 | s << 7 | 0x17);
                if (s != e)
                    word(0x40000033 | s << 20 | e << 15 | e << 7), word(i_type(0, 0, 0, s, 0x13));
                if (d != e)
                    word(i_type(0, 0, 0, d, 0x13));
                else if (s == e)
                    word(i_type(0, 0, 0, s, 0x13));
            } else {
                word(i_type(next() % 8, d, next() % 7, e, 0x03));
                if (d != e)
                    word(i_type(0, 0, 0, d, 0x13));
            }
            break;
        }
        case 5: { // a call
            int offset = (char *)leaf - (char *)at;
            if (next() & 1) {
                word(0x97); // auipc ra
                word(i_type(offset, 1, 0, 1, 0x67));
            } else
                word((uint32_t)((offset >> 20 & 1) << 31 | (offset >> 1 & 1023) << 21 | (offset >> 11 & 1) << 20 | (offset >> 12 & 255) << 12 | 0xef));
            break;
        }
        case 8: case 9: { // a load at a sum, of what lies in the page
            int base = sometimes(reg()), index = reg(), shift = next() % 4;
            word(0x50000037 | base << 7);
            word(i_type(next() % 1024, index, 7, index, 0x13));
            if (kind == 8 && shift) {
                word(i_type(shift, index, 1, d, 0x13));
                word(next() & 1 ? base << 20 | d << 15 | e << 7 | 0x33 : d << 20 | base << 15 | e << 7 | 0x33);
            } else if (shift)
                word(base << 20 | index << 15 | e << 7 | 0x20000033 | shift << 13);
            else
                word(index << 20 | base << 15 | e << 7 | 0x33);
            // Where it went elsewhere, the address is somewhere else.
            if (base == index || base == d)
                word(0x50000037 | e << 7);
            word(i_type(next() % 8, e, next() % 7, sometimes(e), 0x03));
            break;
        }
        default: { // compare and swap at a0 with status t0 or a5
            int size = 2 + (next() & 1), old = 11, expected = next() % 4 ? 12 : 0, new = 13, status = next() & 1 ? 5 : 15;
            cell = r[1];
            r[0] = (uint64_t)&cell;
            switch (next() % 3) {
            case 0: r[2] = size == 2 ? (uint64_t)(int64_t)(int32_t)cell : cell; break;
            case 1: r[2] = (uint32_t)cell; break;
            }
            if (expected == 0 && next() & 1)
                cell = next() & 1 ? 0 : cell << 32;
            word(0x1600202f | size << 12 | 10 << 15 | old << 7);
            int short_again = status == 15 && next() & 1;
            word(b_type(short_again ? 10 : 12, expected, old));
            word(0x1a00002f | size << 12 | new << 20 | 10 << 15 | status << 7);
            if (short_again)
                half(0);
            else
                word(b_type(-12, 0, status));
            if (short_again) {
                // c.bnez a5, -12
                int o = -12;
                at[-1] = 0xe001 | (o >> 8 & 1) << 12 | (o >> 3 & 3) << 10 | 7 << 7 | (o >> 6 & 3) << 5 | (o >> 1 & 3) << 3 | (o >> 5 & 1) << 2;
            }
            word(i_type(0, 0, 0, 10, 0x13));
        }
        }
        word(0x000f0093); // mv ra, t5
        half(0x8082);
        start = at;
        __asm__ volatile("fence.i" ::: "memory");
        run(r, code);
        printf("%d kind %d: %lx %lx %lx %lx %lx %lx, %lx\n", n, kind, r[0], r[1], r[2], r[3], r[4], r[5], cell);
    }
    return 0;
}
