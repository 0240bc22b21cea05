// Code that changes through another view of its memory: a second mapping, a file, another process. The change is announced at the other view's address, or
// in the other process; a truncated file's code faults.
//@ aarch64-flags: -mno-outline-atomics
//@ armel-flags: -march=armv7-a
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../check.h"
#include "../code.h"

#define PAGE 4096

static void announce(void *p) { __builtin___clear_cache((char *)p, (char *)p + 8); }
static void put(void *p, int n) { __atomic_store_n((uint64_t *)p, constant(n), __ATOMIC_RELEASE); }

// What a processor does that was told of new code by another one.
static void synchronize(void)
{
#ifdef __aarch64__
	__asm__ volatile("isb" ::: "memory");
#elif defined __riscv
	__asm__ volatile("fence.i" ::: "memory");
#elif defined __arm__
	__asm__ volatile("mcr p15, 0, %0, c7, c5, 4" ::"r"(0) : "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

static sigjmp_buf back;
static volatile sig_atomic_t expected;
static siginfo_t fault;
static void handler(int sig, siginfo_t *info, void *context)
{
	CHECK(expected);
	fault = *info;
	siglongjmp(back, sig);
}

// The signal that calling `p` raises, or 0.
static int signal_of(void *p)
{
	int sig = sigsetjmp(back, 1);
	expected = sig == 0;
	if (expected) call(p);
	expected = 0;
	return sig;
}

static void *map(size_t size, int prot, int flags, int fd)
{
	void *p = mmap(0, size, prot, flags, fd, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

static int file(const char *name)
{
	int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0700);
	CHECK(fd >= 0 && ftruncate(fd, 2 * PAGE) == 0);
	return fd;
}

// Code that is written at `w` and run at `x` is new after an announcement at either.
static void dual(void *w, void *x)
{
	for (int n = 1; n < 40; n++) {
		put(w, n);
		announce(n & 1 ? w : x);
		CHECK(call(x) == n);
		CHECK(call(x) == n);
	}
}

static void second_views(void)
{
	int fd = file("shared"), mem = memfd_create("code", 0);
	CHECK(mem >= 0 && ftruncate(mem, 2 * PAGE) == 0);
	dual(map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd), map(PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd));
	dual(map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mem), map(PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, mem));
	void *whole = map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1);
	void *again = mremap(whole, 0, PAGE, MREMAP_MAYMOVE);
	CHECK(again != MAP_FAILED);
	dual(whole, again);
	dual(again, whole);
	void *away = map(PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	CHECK(mremap(again, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, away) == away);
	dual(whole, away);

	int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0700);
	char *w = shmat(id, 0, 0), *x = shmat(id, 0, SHM_EXEC | SHM_RDONLY), *later = shmat(id, 0, 0);
	CHECK(id >= 0 && w != (void *)-1 && x != (void *)-1 && later != (void *)-1);
	CHECK(shmctl(id, IPC_RMID, 0) == 0);
	dual(w, x);
	CHECK(mprotect(later, PAGE, PROT_READ | PROT_EXEC) == 0);
	dual(w, later);
	dual(w, x);
	CHECK(shmdt(later) == 0 && shmdt(x) == 0 && shmdt(w) == 0);

	// Two private mappings of a file, not written to, show its page too.
	int f = file("private");
	w = map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f);
	x = map(PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, f);
	dual(w, x);
	void *other = map(PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, f);
	for (int n = 1; n < 20; n++) {
		uint64_t code = constant(n);
		CHECK(pwrite(f, &code, 8, 0) == 8);
		announce(other);
		CHECK(call(x) == n && call(other) == n);
	}
	// Until one is.
	CHECK(mprotect(x, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
	put(x, 50);
	announce(x);
	CHECK(call(x) == 50 && call(other) == 19);
	put(w, 51);
	announce(w);
	CHECK(call(x) == 50 && call(other) == 51);
	CHECK(madvise(x, PAGE, MADV_DONTNEED) == 0);
	announce(x);
	CHECK(call(x) == 51);
}

// System calls that write code.
static void written_by_the_kernel(void)
{
	int mem = memfd_create("code", 0), from = file("from"), pipes[2];
	CHECK(mem >= 0 && ftruncate(mem, PAGE) == 0 && pipe(pipes) == 0);
	char *w = map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mem);
	char *x = map(PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, mem);
	int self = open("/proc/self/mem", O_RDWR);
	for (int n = 100; n < 200; n++) {
		uint64_t code = constant(n);
		struct iovec here = { &code, 8 }, there = { w, 8 };
		off_t start = 0;
		loff_t to = 0;
		CHECK(pwrite(from, &code, 8, 0) == 8 && write(pipes[1], &code, 8) == 8);
		switch (n % 6) {
		case 0: CHECK(pwrite(mem, &code, 8, 0) == 8); break;
		case 1: CHECK(read(pipes[0], w, 8) == 8); break;
		case 2: CHECK(lseek(mem, 0, SEEK_SET) == 0 && sendfile(mem, from, &start, 8) == 8); break;
		case 3: CHECK(splice(pipes[0], 0, mem, &to, 8, 0) == 8); break;
		case 4: CHECK(process_vm_writev(getpid(), &here, 1, &there, 1, 0) == 8); break;
		case 5: CHECK(self < 0 ? pwrite(mem, &code, 8, 0) == 8 : pwrite(self, &code, 8, (off_t)(uintptr_t)w) == 8); break;
		}
		if (n % 6 != 1 && n % 6 != 3) CHECK(read(pipes[0], &code, 8) == 8);
		announce(n & 8 ? w : x);
		CHECK(call(x) == n);
	}
	CHECK(fallocate(mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE) == 0);
	announce(w);
#if defined __aarch64__ || defined __riscv
	CHECK(signal_of(x) == SIGILL);
#endif
}

// What a truncated file has lost cannot be fetched, which nobody announces.
static void truncated(void)
{
	int fd = file("truncated");
	char *w = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	char *x = map(2 * PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd);
	for (int n = 1; n < 10; n++) {
		put(w, n);
		put(w + PAGE + 16, n + 1);
		announce(w);
		announce(w + PAGE + 16);
		CHECK(call(x) == n && call(x + PAGE + 16) == n + 1);
		CHECK(ftruncate(fd, PAGE) == 0);
		CHECK(call(x) == n);
		CHECK(signal_of(x + PAGE + 16) == SIGBUS);
		CHECK(fault.si_code == BUS_ADRERR && fault.si_addr == x + PAGE + 16);
		// By another process.
		pid_t child = fork();
		if (child == 0) _exit(ftruncate(fd, 0) != 0);
		int status;
		CHECK(waitpid(child, &status, 0) == child && status == 0);
		CHECK(signal_of(x) == SIGBUS && fault.si_code == BUS_ADRERR && fault.si_addr == x);
		CHECK(ftruncate(fd, 2 * PAGE) == 0);
	}
}

// Turns of two processes: one writes code and runs it, the other does the same with what it finds.
struct turns {
	int turn, failed;
};

static void take_turns(struct turns *t, char *w, char *x, int me)
{
	for (int n = me; n < 600 && !__atomic_load_n(&t->failed, __ATOMIC_ACQUIRE); n += 2) {
		while (__atomic_load_n(&t->turn, __ATOMIC_ACQUIRE) != n)
			if (__atomic_load_n(&t->failed, __ATOMIC_ACQUIRE)) return;
			else sched_yield();
		synchronize();
		if (n > 0 && call(x) != n - 1) __atomic_store_n(&t->failed, n, __ATOMIC_RELEASE);
		put(w, n);
		announce(n & 2 ? w : x);
		if (call(x) != n) __atomic_store_n(&t->failed, -n, __ATOMIC_RELEASE);
		__atomic_store_n(&t->turn, n + 1, __ATOMIC_RELEASE);
	}
}

static void processes(char *w, char *x)
{
	struct turns *t = map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	pid_t child = fork();
	if (child == 0) {
		take_turns(t, w, x, 1);
		_exit(0);
	}
	take_turns(t, w, x, 0);
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(t->failed == 0);

	// One runs it again and again and does nothing else.
	put(w, 1);
	announce(x);
	child = fork();
	if (child == 0) {
		while (call(x) == 1) t->turn = -1;
		_exit(call(x));
	}
	while (__atomic_load_n(&t->turn, __ATOMIC_ACQUIRE) != -1) sched_yield();
	put(w, 2);
	announce(w);
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

static void other_processes(void)
{
	int fd = file("turns"), mem = memfd_create("code", 0);
	CHECK(mem >= 0 && ftruncate(mem, PAGE) == 0);
	int fds[] = { fd, mem };
	for (int i = 0; i < 2; i++)
		processes(map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i]), map(PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fds[i]));
	char *rwx = map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1);
	processes(rwx, rwx);
}

// Code that changes what follows it, at its own address and in a function that it calls.
static uint32_t *patched;
static uint32_t patch;
__attribute__((noinline)) static void rewrite(void)
{
	*patched = patch;
	announce(patched);
}

static void behind_itself(void)
{
	int mem = memfd_create("code", 0);
	CHECK(mem >= 0 && ftruncate(mem, PAGE) == 0);
	uint32_t *w = map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mem);
	uint32_t *x = map(PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, mem);
#ifdef __aarch64__
	uint32_t line[] = { 0xb9000001, // str w1, [x0]
			    0xd50b7b20, // dc cvau, x0
			    0xd5033b9f, // dsb ish
			    0xd50b7520, // ic ivau, x0
			    0xd5033b9f, // dsb ish
			    0xd5033fdf, // isb
			    0x52800020, // mov w0, #1
			    0xd65f03c0 };
	uint32_t caller[] = { 0xa9bf7bfd, // stp x29, x30, [sp, #-16]!
			      0xd63f0000, // blr x0
			      0x52800020, // mov w0, #1
			      0xa8c17bfd, // ldp x29, x30, [sp], #16
			      0xd65f03c0 };
	uint32_t two = 0x52800040;
	int at = 6, after = 2;
#elif defined __riscv
	uint32_t line[] = { 0x00b52023, // sw a1, 0(a0)
			    0x0000100f, // fence.i
			    0x00100513, // li a0, 1
			    0x00008067 };
	uint32_t caller[] = { 0xff010113, // addi sp, sp, -16
			      0x00113423, // sd ra, 8(sp)
			      0x000500e7, // jalr a0
			      0x00100513, // li a0, 1
			      0x00813083, // ld ra, 8(sp)
			      0x01010113, // addi sp, sp, 16
			      0x00008067 };
	uint32_t two = 0x00200513;
	int at = 2, after = 3;
#else
	(void)w, (void)x, (void)rewrite;
	return;
#endif
#if defined __aarch64__ || defined __riscv
	for (int round = 0; round < 20; round++) {
		memcpy(w, line, sizeof line);
		__builtin___clear_cache((char *)w, (char *)w + sizeof line);
		int (*f)(uint32_t *, uint32_t) = (void *)x;
		CHECK(f(w + 100, two) == 1);
		CHECK(f(w + at, two) == 2);
		CHECK(f(w + 100, two) == 2);
		memcpy(w, caller, sizeof caller);
		__builtin___clear_cache((char *)w, (char *)w + sizeof caller);
		int (*g)(void (*)(void)) = (void *)x;
		patched = w + 100;
		patch = two;
		CHECK(g(rewrite) == 1);
		patched = w + after;
		CHECK(g(rewrite) == 2);
	}
#endif
}

// What compilers make, in shared memory: calls, loops, flags that live long.
#define COPIED __attribute__((section("copied"), noinline, used))
COPIED static long fibonacci(long n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
COPIED static void sort(int *a, int n)
{
	for (int gap = n / 2; gap > 0; gap /= 2)
		for (int i = gap; i < n; i++) {
			int t = a[i], j;
			for (j = i; j >= gap && a[j - gap] > t; j -= gap) a[j] = a[j - gap];
			a[j] = t;
		}
}
COPIED static unsigned long mix(const int *a, int n)
{
	unsigned long h = 5381, carry = 0;
	for (int i = 0; i < n; i++) {
		unsigned long sum = h + ((unsigned)a[i] * 1103515245ul ^ carry);
		carry += sum < h;
		h = (long)sum < 0 ? sum ^ sum >> 7 : a[i] & 1 ? sum << 3 | sum >> 61 : sum + 1;
	}
	return h + (unsigned)fibonacci(n % 13);
}
COPIED static int step(int *cell, int by)
{
	int old = __atomic_fetch_add(cell, by, __ATOMIC_SEQ_CST);
	int expected = old + by;
	__atomic_compare_exchange_n(cell, &expected, old - by, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return *cell + expected;
}
extern char __start_copied[], __stop_copied[];

static void compiled(void)
{
	size_t size = __stop_copied - __start_copied;
	CHECK(size < PAGE * 2);
	int mem = memfd_create("code", 0), a[1000], b[1000], cells[2] = { 0 };
	CHECK(mem >= 0 && ftruncate(mem, 2 * PAGE) == 0);
	char *w = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mem);
	char *x = map(2 * PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, mem);
#define COPY(f) ((typeof(&f))(x + ((char *)f - __start_copied)))
	memcpy(w, __start_copied, size);
	__builtin___clear_cache(w, w + size);
	CHECK(COPY(fibonacci)(20) == 6765);
	unsigned seed = 1;
	for (int i = 0; i < 1000; i++) a[i] = b[i] = (seed = seed * 1103515245 + 12345) >> 4;
	CHECK(COPY(mix)(a, 1000) == mix(b, 1000));
	sort(b, 1000);
	COPY(sort)(a, 1000);
	CHECK(memcmp(a, b, sizeof a) == 0);
	CHECK(COPY(mix)(a, 999) == mix(b, 999));
	for (int i = 0; i < 100; i++) CHECK(COPY(step)(cells, i) == step(cells + 1, i));
}

int main(void)
{
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	for (int i = 0; i < 3; i++) CHECK(sigaction((int[]){ SIGBUS, SIGSEGV, SIGILL }[i], &act, 0) == 0);
	second_views();
	written_by_the_kernel();
	truncated();
	other_processes();
	behind_itself();
	compiled();
	puts("ok");
}
