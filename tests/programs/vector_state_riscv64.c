// The vector state as Linux shows it: the record in the signal frame and its return, prctl,
// hwprobe, HWCAP, the faulting element and its restart.
//@ guest-only: riscv64
//@ variants: static interp
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include "../check.h"

#define V(text) ".option push\n.option arch, +v\n" text "\n.option pop\n"

struct record { uint32_t magic, size; uint64_t vstart, vl, vtype, vcsr, vlenb; uint8_t *data; };
static struct record *find(ucontext_t *uc) {
    struct record *r = (void *)((char *)&uc->uc_mcontext + 256 + 520);
    return r->magic == 0x53465457 ? r : 0;
}

static int with, without;
static void usr1(int signo, siginfo_t *info, void *context) {
    struct record *r = find(context);
    (void)signo, (void)info;
    if (!r) {
        without++;
        return;
    }
    with++;
    CHECK(r->size == 568 && r->vlenb == 16 && (uintptr_t)r->data % 16 == 0);
    CHECK(r->vl == 3 && r->vtype == 0xd0 && r->vcsr == 5 && r->data[16 * 5] == 0x77);
    CHECK(*(uint64_t *)((char *)r + r->size) == 0);
    r->data[16 * 5] = 0x12;
    r->vl = 2;
    // What the handler does to its own registers is forgotten.
    __asm__ volatile(V("vsetivli x0, 8, e16, m1, ta, ma\nvmv.v.i v5, 1\nvmv.v.i v31, 1\ncsrwi vcsr, 0") ::: "memory");
}

static char *page;
static int faults;
static void segv(int signo, siginfo_t *info, void *context) {
    struct record *r = find(context);
    (void)signo;
    CHECK(r && r->vstart == 3 && (char *)info->si_addr == page + 4096 && !memcmp(r->data + 16 * 8, "abc", 3) && r->data[16 * 8 + 3] == 0x55);
    faults++;
    mprotect(page + 4096, 4096, PROT_READ | PROT_WRITE);
}

int main(void) {
    struct sigaction act = { .sa_sigaction = usr1, .sa_flags = SA_SIGINFO };
    sigaction(SIGUSR1, &act, 0);
    raise(SIGUSR1);
    CHECK(without == 1 && with == 0);
    uint64_t vl, vtype, vcsr, byte;
    long pid = getpid();
    register long a7 __asm__("a7") = SYS_kill, a0 __asm__("a0") = pid, a1 __asm__("a1") = SIGUSR1;
    __asm__ volatile(V("vsetivli x0, 1, e8, m1, ta, ma\nli t0, 0x77\nvmv.v.x v5, t0\nvsetivli x0, 3, e32, m1, ta, ma\ncsrwi vcsr, 5\necall\n"
                       "csrr %0, vl\ncsrr %1, vtype\ncsrr %2, vcsr\nvsetivli x0, 1, e8, m1, ta, ma\nvmv.x.s %3, v5")
                     : "=&r"(vl), "=&r"(vtype), "=&r"(vcsr), "=&r"(byte), "+r"(a0) : "r"(a7), "r"(a1) : "t0", "memory");
    CHECK(with == 1 && vl == 2 && vtype == 0xd0 && vcsr == 5 && byte == 0x12);

    act.sa_sigaction = segv;
    sigaction(SIGSEGV, &act, 0);
    page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page + 4093, "abcdefghijklmnop", 16);
    mprotect(page + 4096, 4096, PROT_NONE);
    char out[16];
    __asm__ volatile(V("vsetivli x0, 16, e8, m1, ta, ma\nli t0, 0x55\nvmv.v.x v8, t0\nvle8.v v8, (%0)\nvse8.v v8, (%1)")
                     :: "r"(page + 4093), "r"(out) : "t0", "memory");
    CHECK(faults == 1 && !memcmp(out, "abcdefghijklmnop", 16));

    CHECK(prctl(70, 0, 0, 0, 0) == 2);
    CHECK(prctl(69, 2 | 2 << 2 | 16, 0, 0, 0) == 0 && prctl(70, 0, 0, 0, 0) == (2 | 2 << 2 | 16));
    CHECK(prctl(69, 1, 0, 0, 0) == -1 && prctl(69, 32, 0, 0, 0) == -1);
    CHECK(getauxval(AT_HWCAP) >> 21 & 1);
    struct { int64_t key; uint64_t value; } pair = { 4, 0 };
    CHECK(syscall(258, &pair, 1, 0, 0, 0) == 0);
    // V, Zvbb, Zvbc, Zvkb, Zvknhb, Zvkt, Zvfh.
    for (const char *p = "\2\21\22\23\27\32\36"; *p; p++)
        CHECK(pair.value >> *p & 1);
    // Zvkg and Zvkned where the host has what takes no longer for some data than for other.
    char isa[4096] = "";
    FILE *f = fopen("/proc/cpuinfo", "r");
    CHECK(f);
    while (!strstr(isa, "isa\t") && fgets(isa, sizeof isa, f))
        ;
    fclose(f);
    CHECK((pair.value >> 20 & 1) == !!strstr(isa, "_zvkg") && (pair.value >> 21 & 1) == !!strstr(isa, "_zvkned"));
    printf("vector state\n");
    return 0;
}
