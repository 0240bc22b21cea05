// More code than a small code cache holds, made and run by several threads while others wait in system calls or loop.
//@ flags: -pthread
//@ timeout: 120
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../check.h"

#define FUNCTIONS 12000
#define SIZE 256

typedef long function(long);

// A function that adds `n` in many small steps: a lot of code that runs in no time.
static size_t emit(unsigned char *at, unsigned n) {
#ifdef __aarch64__
    uint32_t *p = (uint32_t *)at;
    for (int i = 0; i < 40; i++) p[i] = 0x91000400;  // add x0, x0, #1
    p[40] = 0xd2800001 | (n & 0xffff) << 5;          // mov x1, #n
    p[41] = 0x8b010000;                              // add x0, x0, x1
    p[42] = 0xd65f03c0;                              // ret
    return 43 * 4;
#elif defined __riscv
    uint32_t *p = (uint32_t *)at;
    for (int i = 0; i < 40; i++) p[i] = 0x00150513;  // addi a0, a0, 1
    p[40] = 0x000005b7 | (n + 0x800) >> 12 << 12;    // lui a1, n
    p[41] = 0x0005859b | n << 20;                    // addiw a1, a1, n
    p[42] = 0x00b50533;                              // add a0, a0, a1
    p[43] = 0x00008067;                              // ret
    return 44 * 4;
#elif defined __arm__
    uint32_t *p = (uint32_t *)at;
    for (int i = 0; i < 40; i++) p[i] = 0xe2800001;              // add r0, r0, #1
    p[40] = 0xe3001000 | (n & 0xf000) << 4 | (n & 0xfff);        // movw r1, #n
    p[41] = 0xe0800001;                                          // add r0, r0, r1
    p[42] = 0xe12fff1e;                                          // bx lr
    return 43 * 4;
#else
    unsigned char *p = at;
    for (int i = 0; i < 40; i++) {
        memcpy(p, "\x48\xff\xc7", 3);  // inc rdi
        p += 3;
    }
    memcpy(p, "\x48\x8d\x87", 3);  // lea rax, [rdi + n]
    memcpy(p + 3, &n, 4);
    p[7] = 0xc3;
    return p + 8 - at;
#endif
}

static unsigned char *code;
static atomic_int done;
static int pipes[2];

static void run(unsigned from, unsigned step, int times) {
    for (int t = 0; t < times; t++)
        for (unsigned i = from; i < FUNCTIONS; i += step) {
            long got = ((function *)(void *)(code + (size_t)i * SIZE))(i);
            CHECK(got == (long)i + 40 + (long)(i & 0xffff));
        }
}

static void *runner(void *arg) {
    unsigned k = (unsigned)(uintptr_t)arg;
    run(k, 3, 2);
    run(0, 1, 1);
    return NULL;
}

static void *waiter(void *arg) {
    (void)arg;
    char c;
    // Waits in the kernel while everything is thrown away several times.
    CHECK(read(pipes[0], &c, 1) == 1 && c == 'x');
    run(0, 7, 1);
    return NULL;
}

static void *looper(void *arg) {
    (void)arg;
    unsigned long n = 0;
    while (!atomic_load_explicit(&done, memory_order_relaxed)) n++;
    return (void *)(n | 1);
}

// Deep recursion around the code: many returns into code that is gone.
static __attribute__((noinline)) long deep(int n) {
    if (n == 0) {
        run(0, 1, 1);
        return 0;
    }
    return deep(n - 1) + 1;
}

int main(void) {
    // Again with the emulator's smallest code cache (MiB).
    if (getenv("TEST_SELF") && !getenv("QEMU_TB_SIZE")) {
        setenv("QEMU_TB_SIZE", "1", 1);
        execl(getenv("TEST_SELF"), getenv("TEST_SELF"), (char *)NULL);
        CHECK(!"exec");
    }
    code = mmap(NULL, (size_t)FUNCTIONS * SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(code != MAP_FAILED);
    for (unsigned i = 0; i < FUNCTIONS; i++) emit(code + (size_t)i * SIZE, i & 0xffff);
    __builtin___clear_cache((char *)code, (char *)code + (size_t)FUNCTIONS * SIZE);
    CHECK(deep(100) == 100);

    CHECK(pipe(pipes) == 0);
    pthread_t wait[3], loop, work[3];
    for (int i = 0; i < 3; i++) CHECK(pthread_create(&wait[i], NULL, waiter, NULL) == 0);
    CHECK(pthread_create(&loop, NULL, looper, NULL) == 0);
    for (int i = 0; i < 3; i++) CHECK(pthread_create(&work[i], NULL, runner, (void *)(uintptr_t)i) == 0);
    for (int i = 0; i < 3; i++) CHECK(pthread_join(work[i], NULL) == 0);
    CHECK(deep(50) == 50);
    CHECK(write(pipes[1], "xxx", 3) == 3);
    for (int i = 0; i < 3; i++) CHECK(pthread_join(wait[i], NULL) == 0);
    done = 1;
    CHECK(pthread_join(loop, NULL) == 0);
    puts("ok");
    return 0;
}
