// Random sequences around the floating-point control and status register: accesses of fflags, frm
// and fcsr in all forms, comparisons that are to raise nothing (FRFLAGS, FLT, FSFLAGS), comparisons
// with a branch on the result, classes, and arithmetic that raises flags, among numbers of all
// kinds. Each is written to a page and run, sometimes from its second instruction on; registers and
// fcsr afterwards are printed.
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

// The integer registers, of which t4 has a value for frm and t5 one for fcsr, and the others.
#define EACH(f) f(a0, 0) f(a1, 1) f(a2, 2) f(a3, 3) f(t3, 4) f(t4, 5) f(t5, 6)
#define EACH_FLOAT(f) f(fa0, 7) f(fa1, 8) f(fa2, 9) f(fs11, 10) f(ft8, 11) f(ft11, 12)
static const uint8_t integers[] = { 10, 11, 12, 13, 28 }, floats[] = { 10, 11, 12, 27, 28, 31 };
#define LOAD(x, n) "ld " #x ", 8*" #n "(s0)\n"
#define STORE(x, n) "sd " #x ", 8*" #n "(s0)\n"
#define LOAD_FLOAT(x, n) "fld " #x ", 8*" #n "(s0)\n"
#define STORE_FLOAT(x, n) "fsd " #x ", 8*" #n "(s0)\n"
void run(uint64_t *regs, void *code);
__asm__(".text\n.globl run\nrun:\naddi sp, sp, -32\nsd ra, 0(sp)\nsd s0, 8(sp)\nfsd fs11, 16(sp)\nmv s0, a0\nmv t2, a1\n" EACH(LOAD) EACH_FLOAT(LOAD_FLOAT)
        "ld t6, 8*13(s0)\nfscsr t6\njalr t2\nfrcsr t6\nfscsr zero\nsd t6, 8*13(s0)\n" EACH(STORE) EACH_FLOAT(STORE_FLOAT)
        "ld ra, 0(sp)\nld s0, 8(sp)\nfld fs11, 16(sp)\naddi sp, sp, 32\nret\n");

static uint32_t *at;
static void word(uint32_t w) { *at++ = w; }
static uint32_t integer(void) { return integers[next() % sizeof integers]; }
static uint32_t operand(void) { return floats[next() % sizeof floats]; }
static uint32_t csr(uint32_t number, uint32_t funct3, uint32_t s, uint32_t d) { return number << 20 | s << 15 | funct3 << 12 | d << 7 | 0x73; }

static uint64_t number(void) {
    static const uint64_t doubles[] = { 0, 1ull << 63, 1, 0x000fffffffffffff, 0x0010000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x7fefffffffffffff,
        0x7ff0000000000000, 0xfff0000000000000, 0x7ff0000000000001, 0xfff7ffffffffffff, 0x7ff8000000000000, 0xfff8000000000123, 0x3ff0000000000001, 0x4008000000000000 };
    static const uint32_t singles[] = { 0, 1u << 31, 1, 0x007fffff, 0x00800000, 0x3f800000, 0xbf800000, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7f800001, 0xffbfffff,
        0x7fc00000, 0xffc00123, 0x3f800001, 0x40400000 };
    uint64_t boxed = next() % 8 ? 0xffffffff00000000 : next() << 32;
    return next() % 2 ? doubles[next() % 16] : boxed | singles[next() % 16];
}

int main(void) {
    uint32_t *page = mmap((void *)0x50000000, 16 << 20, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    at = page;
    for (int n = 0; n < 4000; n++) {
        uint64_t r[14];
        for (int i = 0; i < 5; i++)
            r[i] = next() % 2 ? next() * next() : next() % 64;
        r[5] = next() % 2 ? 0 : next() % 4, r[6] = next() % 32 | (next() % 2 ? 0 : (next() % 4) << 5);
        for (int i = 7; i < 13; i++)
            r[i] = number();
        r[13] = next() % 32 | (next() % 4 ? 0 : next() % 4 << 5);
        uint32_t *code = at;
        for (int length = 1 + next() % 5; length-- > 0;) {
            uint32_t format = next() % 2, d = integer(), a = operand(), b = operand();
            uint32_t compare = 0xa0000053 | format << 25 | b << 20 | a << 15 | (next() % 3) << 12 | d << 7;
            switch (next() % 8) {
            case 0: case 1: {
                uint32_t kept = integer();
                word(csr(1, 2, 0, kept));
                word(compare);
                word(csr(1, 1, next() % 8 ? kept : integer(), next() % 8 ? 0 : integer()));
                break;
            }
            case 2: case 3:
                word(compare);
                // Over the next instruction.
                word(8 << 7 | (next() % 2) << 12 | (next() % 8 ? d : integer()) << 15 | (next() % 8 ? 0 : integer()) << 20 | 0x63);
                word((uint32_t)(next() % 100) << 20 | integer() << 15 | integer() << 7 | 0x13);
                break;
            case 4: {
                static const uint8_t funct3[] = { 1, 2, 3, 5, 6, 7 };
                uint32_t number = 1 + next() % 3, f = funct3[next() % 6], s = next() % 4 == 0 ? 0 : number == 1 ? integer() : number == 2 ? 29 : 30;
                if (f >= 5)
                    s = number == 2 ? next() % 4 : next() % 32;
                word(csr(number, f, s, next() % 3 ? integer() : 0));
                break;
            }
            case 5:
                word(0xe0001053 | format << 25 | a << 15 | d << 7);
                break;
            default:
                word((next() % 4) << 27 | format << 25 | b << 20 | a << 15 | 7 << 12 | operand() << 7 | 0x53);
            }
        }
        word(0x8067);
        __asm__ volatile("fence.i" ::: "memory");
        run(r, next() % 4 ? code : code + 1);
        printf("%d:", n);
        for (int i = 0; i < 14; i++)
            printf(" %lx", r[i]);
        printf("\n");
    }
    return 0;
}
