// A program that makes new code all the time: memory does not grow with what it has thrown away, and throwing much away at once takes time in proportion.
//@ timeout: 120
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "../check.h"

#define FUNCTIONS 2000
#define SIZE 32

// Bytes of the process in memory.
static long resident(void) {
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY);
    CHECK(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    CHECK(n > 0 && close(fd) == 0);
    text[n] = 0;
    long pages;
    CHECK(sscanf(text, "%*d %ld", &pages) == 1);
    return pages * 4096;
}

// A function that returns n, which is below 2048.
static void emit(uint8_t *p, unsigned n) {
#ifdef __aarch64__
    uint32_t code[] = {0x52800000 | n << 5, 0xd65f03c0};
#elif defined __riscv
    uint32_t code[] = {0x00000513 | n << 20, 0x00008067};
#elif defined __arm__
    uint32_t code[] = {0xe3000000 | n, 0xe12fff1e};
#else
    uint8_t code[] = {0xb8, n, n >> 8, 0, 0, 0xc3};
#endif
    memcpy(p, code, sizeof code);
}

static uint8_t *make(long count) {
    uint8_t *p = mmap(NULL, count * SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

static void fill_and_run(uint8_t *p, long count, unsigned first) {
    for (long i = 0; i < count; i++) emit(p + i * SIZE, (first + i) % 2048);
    __builtin___clear_cache((char *)p, (char *)p + count * SIZE);
    for (long i = 0; i < count; i++) CHECK(((int (*)(void))(void *)(p + i * SIZE))() == (int)((first + i) % 2048));
}

// Milliseconds of processor time that it takes to throw away the code of `count` functions, the least of three times.
static double drop(long count) {
    double least = 1e9;
    for (int i = 0; i < 3; i++) {
        uint8_t *p = make(count);
        fill_and_run(p, count, i);
        struct timespec a, b;
        CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a) == 0);
        CHECK(munmap(p, count * SIZE) == 0);
        CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b) == 0);
        double ms = (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6;
        if (ms < least) least = ms;
    }
    return least;
}

static int pipes[2];

// Waits in the kernel, in a call made from code that dies meanwhile.
static void *waiter(void *arg) {
    char c;
    CHECK(read(pipes[0], &c, 1) == 1 && c == 'x');
    fill_and_run(arg, FUNCTIONS, 99);
    return arg;
}

int main(void) {
    CHECK(pipe(pipes) == 0);
    uint8_t *again = make(FUNCTIONS), *theirs = make(FUNCTIONS);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, waiter, theirs) == 0);
    long most = 0;
    // In new mappings, and in the place of older code.
    for (unsigned round = 0; round < 300; round++) {
        uint8_t *p = round & 1 ? again : make(FUNCTIONS);
        fill_and_run(p, FUNCTIONS, round);
        long now = resident();
        if (now > most) most = now;
        if (p != again) CHECK(munmap(p, FUNCTIONS * SIZE) == 0);
    }
    CHECK(most < 64 << 20);
    CHECK(write(pipes[1], "x", 1) == 1);
    CHECK(pthread_join(thread, NULL) == 0);
    // Four times as much in about four times the time.
    double few = drop(20000), many = drop(80000);
    CHECK(many < 9 * few + 5);
    puts("ok");
    return 0;
}
