// Top byte ignore: accesses and jumps through pointers with a tag, by every kind of access; faults tell the address without it, and system calls refuse it.
//@ guest-only: aarch64
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "../check.h"

#define TAGGED(p) ((__typeof__((p) + 0))((uintptr_t)(p) | 0xa7ull << 56))

static sigjmp_buf back;
static volatile uintptr_t seen;
static volatile int seen_code;

static void on_segv(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)context;
    seen = (uintptr_t)info->si_addr;
    seen_code = info->si_code;
    siglongjmp(back, 1);
}

static __attribute__((noinline)) int twice(int x) { return 2 * x; }

static uintptr_t fault_at(volatile char *p) {
    seen = 1;
    if (!sigsetjmp(back, 1)) {
        (void)*p;
        return 0;
    }
    return seen;
}

int main(void) {
    static _Alignas(64) uint64_t data[32];
    volatile uint64_t *v = TAGGED(data);

    for (int i = 0; i < 32; i++) v[i] = i;
    uint64_t sum = 0;
    for (int i = 0; i < 32; i++) sum += v[i];
    CHECK(sum == 496 && data[31] == 31);

    volatile uint8_t *b = (volatile uint8_t *)v;
    b[3] = 0xff;
    CHECK((int8_t)b[3] == -1 && data[0] == 0xff000000);

    uint64_t x, y;
    __asm__ volatile("ldp %0, %1, [%2, #16]" : "=&r"(x), "=&r"(y) : "r"(v) : "memory");
    CHECK(x == 2 && y == 3);
    uint64_t *p = (uint64_t *)v;
    __asm__ volatile("stp %1, %2, [%0, #16]!" : "+r"(p) : "r"(7ul), "r"(8ul) : "memory");
    CHECK(p == (uint64_t *)v + 2 && data[2] == 7 && data[3] == 8);
    __asm__ volatile("ld2 {v0.2d, v1.2d}, [%0]; st1 {v1.2d}, [%1]; ldr q2, [%0]; str q2, [%1, #16]" ::"r"(v), "r"((uint64_t *)v + 8)
                     : "v0", "v1", "v2", "memory");
    CHECK(data[8] == 1 && data[9] == 8 && data[10] == 0xff000000 && data[11] == 1);

    // Exclusives, and what the compiler makes of atomics.
    uint64_t tries = 0;
    __asm__ volatile("1: ldxr %0, [%2]; add %0, %0, #5; stlxr %w1, %0, [%2]; cbnz %w1, 1b" : "=&r"(x), "=&r"(tries) : "r"(v + 5) : "memory");
    CHECK(x == 10 && data[5] == 10);
    __asm__ volatile("1: ldaxp %0, %1, [%3]; stlxp %w2, %1, %0, [%3]; cbnz %w2, 1b" : "=&r"(x), "=&r"(y), "=&r"(tries) : "r"(v + 12) : "memory");
    CHECK(data[12] == 13 && data[13] == 12);
    __asm__ volatile(".arch_extension lse\nldaddal %1, %0, [%2]" : "=r"(x) : "r"(100ul), "r"(v + 6) : "memory");
    CHECK(x == 6 && data[6] == 106);
    x = 106;
    __asm__ volatile(".arch_extension lse\ncasal %0, %1, [%2]" : "+r"(x) : "r"(1ul), "r"(v + 6) : "memory");
    CHECK(x == 106 && data[6] == 1);
    CHECK(atomic_fetch_or((_Atomic uint64_t *)(v + 7), 8) == 7 && data[7] == 15);
    __asm__ volatile("dc zva, %0" ::"r"(v + 16) : "memory");
    CHECK(data[16] == 0 && data[23] == 0 && data[24] == 24);

    // Jumps.
    int (*volatile f)(int) = TAGGED(&twice);
    for (int i = 0; i < 100; i++) CHECK(f(i) == 2 * i);
    uint64_t tag = 0x5aull << 56;
    __asm__ volatile("adr x9, 1f; orr x9, x9, %1; br x9; brk #1; 1: adr x9, 2f; orr x9, x9, %1; ret x9; brk #2; 2: adr %0, ." : "=r"(x) : "r"(tag) : "x9");
    CHECK(x >> 56 == 0);

    // Faults.
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    char *hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(fault_at(TAGGED(hole) + 5) == (uintptr_t)hole + 5 && seen_code == SEGV_ACCERR);
    CHECK(fault_at(TAGGED((char *)16)) == 16 && seen_code == SEGV_MAPERR);
    // Bit 55 selects the kernel's half, whose tags are not removed; bits 48 to 54 are no tag.
    CHECK(fault_at((char *)0x0080000000001000) == 0x0080000000001000 && seen_code == SEGV_MAPERR);
    CHECK(fault_at((char *)0xa5ff000000001000) == 0xa5ff000000001000);
    CHECK(fault_at((char *)0x1101000000001000) == 0x0001000000001000);
    CHECK(fault_at((char *)0xffffffffffff0000) == 0xffffffffffff0000);
    action.sa_flags |= 0x800;  // SA_EXPOSE_TAGBITS
    sigaction(SIGSEGV, &action, NULL);
    CHECK(fault_at(TAGGED(hole) + 5) == (uintptr_t)TAGGED(hole) + 5);

    // System calls.
    CHECK(write(1, TAGGED("tagged\n"), 7) == -1 && errno == EFAULT);
    CHECK(access(TAGGED("/"), F_OK) == -1 && errno == EFAULT);
    CHECK(prctl(55, 1, 0, 0, 0) == -1 && errno == EINVAL);
    puts("ok");
    return 0;
}
