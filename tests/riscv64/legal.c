// Tells which instruction words raise SIGILL, by executing them.
//
// Without arguments: all words of 16 bits; for each quadrant (bits 1 and 0) it prints the ranges of the bits above that are legal. With arguments OPCODE FUNCT3
// RD RS1 ...: for each four (hexadecimal) the ranges of bits 31 to 20 that are legal in words of 32 bits with these fields. An instruction of vectors is legal
// if it is under one of the element widths. Of jumps one word stands for all, and of FENCE.I a few.
// Every register has the address of the middle of a page with data; behind the word are breakpoints.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

// The code saves what a caller keeps and its stack pointer, then sets all registers.
uint64_t kept[3], data;
void run(const void *code, uint64_t vtype);
void resume(void);
__asm__(".text\n.option push\n.option arch, +v\n.globl run\nrun:\n"
        "addi sp, sp, -112\nsd ra, 0(sp)\nsd s0, 8(sp)\nsd s1, 16(sp)\nsd s2, 24(sp)\nsd s3, 32(sp)\nsd s4, 40(sp)\nsd s5, 48(sp)\nsd s6, 56(sp)\n"
        "sd s7, 64(sp)\nsd s8, 72(sp)\nsd s9, 80(sp)\nsd s10, 88(sp)\nsd s11, 96(sp)\n"
        "la t0, kept\nsd sp, 0(t0)\nsd gp, 8(t0)\nsd tp, 16(t0)\n"
        "vsetvl x0, x0, a1\nli t0, 4\nvsetvl x0, t0, a1\ncsrw vcsr, x0\nfscsr x0\nmv t6, a0\nla x1, data\nld x1, 0(x1)\n"
        "mv x2, x1\nmv x3, x1\nmv x4, x1\nmv x5, x1\nmv x6, x1\nmv x7, x1\nmv x8, x1\nmv x9, x1\nmv x10, x1\nmv x11, x1\nmv x12, x1\nmv x13, x1\nmv x14, x1\n"
        "mv x15, x1\nmv x16, x1\nmv x17, x1\nmv x18, x1\nmv x19, x1\nmv x20, x1\nmv x21, x1\nmv x22, x1\nmv x23, x1\nmv x24, x1\nmv x25, x1\nmv x26, x1\n"
        "mv x27, x1\nmv x28, x1\nmv x29, x1\nmv x30, x1\njr t6\n"
        ".globl resume\nresume:\n"
        "ld ra, 0(sp)\nld s0, 8(sp)\nld s1, 16(sp)\nld s2, 24(sp)\nld s3, 32(sp)\nld s4, 40(sp)\nld s5, 48(sp)\nld s6, 56(sp)\n"
        "ld s7, 64(sp)\nld s8, 72(sp)\nld s9, 80(sp)\nld s10, 88(sp)\nld s11, 96(sp)\naddi sp, sp, 112\nret\n.option pop\n");

static volatile int signal_number;
static volatile uint64_t signal_pc;
// Has no thread pointer.
static void handler(int signo, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    (void)info;
    signal_number = signo;
    signal_pc = uc->uc_mcontext.__gregs[0];
    uc->uc_mcontext.__gregs[0] = (uint64_t)resume;
    uc->uc_mcontext.__gregs[2] = kept[0];
    uc->uc_mcontext.__gregs[3] = kept[1];
    uc->uc_mcontext.__gregs[4] = kept[2];
}

enum { AREA = 8 << 20 };
static uint16_t *area;

// vtype: elements of 8, 16 and 32 bits in half a register, so that groups are of one register throughout, and of 32 and 64 bits in a whole one.
static const uint8_t shapes[] = { 0xc7, 0xcf, 0xd7, 0xd0, 0xd8 };

static int is_legal(const void *code, int vectors) {
    for (int n = 0; n < (vectors ? (int)sizeof shapes : 1); n++) {
        run(code, shapes[n]);
        if (signal_number != SIGILL || signal_pc != (uint64_t)code)
            return 1;
    }
    return 0;
}

static uint8_t legal[65536];
static void ranges(int count) {
    const char *between = "";
    for (int from = 0, to; from < count; from = to) {
        for (to = from; to < count && legal[to] == legal[from]; to++)
            ;
        if (legal[from])
            printf(to - from == 1 ? "%s%x" : "%s%x-%x", between, from, to - 1), between = " ";
    }
    printf("\n");
}

static void breakpoints(void) {
    for (int i = 0; i < AREA / 2; i++)
        area[i] = 0x9002;
}

// Jumps and branches leave their place for breakpoints.
static int jumps(uint32_t h) { return (h & 3) == 1 && h >> 13 >= 5; }

static void short_words(uint32_t quadrant) {
    for (uint32_t from = 0, to; from < 16384; from = to) {
        breakpoints();
        uint32_t step = jumps(from << 2 | quadrant) ? 4096 : 8, n = AREA / 2 / step;
        for (to = from; to < 16384 && to - from < n && jumps(to << 2 | quadrant) == (step == 4096); to++)
            area[AREA / 8 + step / 2 * (to - from)] = to << 2 | quadrant;
        __asm__ volatile("fence.i" ::: "memory");
        for (uint32_t h = from; h < to; h++) {
            uint32_t w = h << 2 | quadrant;
            // Not those to themselves (x31 is where the word is).
            int itself = w == 0xa001 || (w & 0xdc7f) == 0xc001 || w == 0x8f82 || w == 0x9f82;
            legal[h] = itself || is_legal(&area[AREA / 8 + step / 2 * (h - from)], 0);
        }
    }
    printf("%x: ", quadrant);
    ranges(16384);
}

static void words(uint32_t opcode, uint32_t funct3, uint32_t rd, uint32_t rs1) {
    uint32_t word = opcode | rd << 7 | funct3 << 12 | rs1 << 15;
    int vectors = opcode == 0x57 || opcode == 0x77 || opcode == 0x07 || opcode == 0x27;
    int jump = opcode == 0x63 || opcode == 0x6f, fence_i = opcode == 0x0f && funct3 == 1;
    uint8_t *code = (uint8_t *)(area + AREA / 8);
    for (uint32_t n = 0; n < 4096; n++) {
        // Of jumps one, which leaves the place.
        uint32_t w = jump && n != 0x3e0 ? 0x90029002 : word | n << 20;
        memcpy(code + 8 * n, &w, 4);
    }
    __asm__ volatile("fence.i" ::: "memory");
    for (uint32_t n = 0; n < 4096; n++)
        legal[n] = jump ? 0 : fence_i && n & 0xff ? 1 : is_legal(code + 8 * n, vectors);
    if (jump)
        memset(legal, is_legal(code + 8 * 0x3e0, 0), 4096);
    printf("%02x %x %02x %02x: ", opcode, funct3, rd, rs1);
    ranges(4096);
}

int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IOLBF, 0);
    area = mmap(0, AREA, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    breakpoints();
    data = (uint64_t)mmap(0, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 4096;
    static char stack[65536];
    stack_t alt = { .ss_sp = stack, .ss_size = sizeof stack };
    sigaltstack(&alt, 0);
    struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    int signals[] = { SIGILL, SIGSEGV, SIGBUS, SIGTRAP };
    for (int i = 0; i < 4; i++)
        sigaction(signals[i], &act, 0);
    for (uint32_t quadrant = 0; quadrant < 3 && argc == 1; quadrant++)
        short_words(quadrant);
    for (int a = 1; a + 3 < argc; a += 4)
        words(strtoul(argv[a], 0, 16), strtoul(argv[a + 1], 0, 16), strtoul(argv[a + 2], 0, 16), strtoul(argv[a + 3], 0, 16));
    return 0;
}
