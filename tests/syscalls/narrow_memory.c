// The memory of a program whose addresses have 32 bits: everything lies below 4 GiB and where the kernel would put it, whatever the call; what is full says ENOMEM, and not
// before it is full.
//@ guest-only: arm
//@ glibc: musl's sbrk gives no memory
//@ arm-flags: -D_FILE_OFFSET_BITS=64
#include "../check.h"
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MB (1u << 20)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static char *map(void *at, size_t size, int flags) { return mmap(at, size, PROT_NONE, ANON | MAP_NORESERVE | flags, -1, 0); }

// Bytes that can be mapped in pieces of a size; all are given back.
static uint64_t room(size_t size)
{
	static char *pieces[5000];
	int n = 0;
	while (n < 5000 && (pieces[n] = map(NULL, size, 0)) != MAP_FAILED)
		n++;
	CHECK(n == 5000 || errno == ENOMEM);
	for (int i = 0; i < n; i++)
		CHECK(munmap(pieces[i], size) == 0);
	return (uint64_t)n * size;
}

__attribute__((noinline)) static int deep(volatile char *from, size_t size)
{
	volatile char block[4096];
	block[0] = 1;
	if ((size_t)(from - block) < size)
		return deep(from, size) + block[0];
	return 0;
}

// What lies where: /proc/self/maps has nothing beyond, the stack on top, the helpers above it.
static void places(void)
{
	char line[500], heap[20] = "";
	FILE *f = fopen("/proc/self/maps", "r");
	CHECK(f);
	int stack = 0, vectors = 0, vdso = 0, program = 0;
	unsigned long long last = 0;
	while (fgets(line, sizeof line, f)) {
		unsigned long long from, to;
		CHECK(sscanf(line, "%llx-%llx", &from, &to) == 2 && from < to && to <= 0xffff1000 && from >= last);
		last = to;
		stack += strstr(line, "[stack]") != NULL && (uintptr_t)line > from && (uintptr_t)line < to && from > 0xf0000000;
		vectors += strstr(line, "[vectors]") != NULL && from == 0xffff0000 && strstr(line, "r-xp");
		vdso += strstr(line, "[vdso]") != NULL && from == getauxval(AT_SYSINFO_EHDR);
		program += (uintptr_t)places > from && (uintptr_t)places < to && strstr(line, "r-xp");
		CHECK(strstr(line, "anyarch") == NULL || strstr(line, "program"));
	}
	fclose(f);
	(void)heap;
	CHECK(stack == 1 && vectors == 1 && vdso == 1 && program == 1);
	char *elf = (char *)getauxval(AT_SYSINFO_EHDR);
	CHECK(memcmp(elf, "\177ELF\1\1\1", 7) == 0);
	puts("places");
}

// With a stack that may have `limit` bytes, in a new program: its room is given away at last, but for what it has taken and the guard before it.
static void with_stack(rlim_t limit)
{
	struct rlimit old;
	CHECK(getrlimit(RLIMIT_STACK, &old) == 0);
	if (old.rlim_max < limit)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		old.rlim_cur = limit;
		CHECK(setrlimit(RLIMIT_STACK, &old) == 0);
		char *self = getenv("TEST_SELF");
		execl(self, self, limit == RLIM_INFINITY ? "upwards" : "downwards", NULL);
		_exit(9);
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static int large_stack(int upwards)
{
	volatile char here;
	char *a = map(NULL, MB, 0), *b = map(NULL, MB, 0);
	CHECK(upwards ? b == a + MB && (uintptr_t)a >= 0x40000000 && (uintptr_t)a < 0x41000000 : b == a - MB && (uintptr_t)a < 0x50000000);
	CHECK(deep(&here, 32 * MB) > 8000);
	uint64_t all = room(MB);
	CHECK(all >= (upwards ? 2900ull : 3800ull) * MB && all <= 4096ull * MB);
	static char *pieces[5000];
	int n = 0;
	while ((pieces[n] = map(NULL, MB, 0)) != MAP_FAILED)
		n++;
	// None lies in the stack, nor less than a megabyte before it.
	CHECK(deep(&here, 33 * MB - 65536) > 8000);
	for (int i = 0; i < n; i++)
		CHECK(pieces[i] + MB <= (char *)&here - 33 * MB || pieces[i] > (char *)&here);
	// Nor is a hint taken there.
	char *hint = (char *)((uintptr_t)(&here - 20 * MB) & -4096);
	CHECK(map(hint, 4096, 0) != hint);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return large_stack(strcmp(argv[1], "upwards") == 0);
	places();
	// Downwards, one below the other.
	char *a = map(NULL, MB, 0), *b = map(NULL, MB, 0);
	CHECK(a != MAP_FAILED && b + MB == a && (uintptr_t)a > 0xc0000000);
	// A hint that is free is taken, rounded up; one that is not is not.
	CHECK(map((void *)0x40000123, MB, 0) == (void *)0x40001000 && munmap((void *)0x40001000, MB) == 0);
	CHECK(map(a, MB, 0) + MB == b);
	CHECK(map((void *)0xfffff000, MB, 0) != MAP_FAILED);
	FAILS(map(a, MB, MAP_FIXED_NOREPLACE), EEXIST);
	CHECK(map(a, MB, MAP_FIXED) == a);
	FAILS(map((void *)0xfff00000, 2 * MB, MAP_FIXED), ENOMEM);
	FAILS(map((void *)0xfffff000, 4096, MAP_FIXED), ENOMEM);
	FAILS(map(NULL, 0xfffff001, 0), ENOMEM);
	FAILS(map(NULL, 0, 0), EINVAL);
	FAILS(munmap((void *)0xfffff000, 4096), EINVAL);
	FAILS(munmap((void *)0xffffe000, 0x3000), EINVAL);
	FAILS(mprotect((void *)0xfffff000, 4096, PROT_READ), ENOMEM);
	puts("mmap");

	// mremap grows in place where there is room, and moves below 4 GiB where there is none.
	char *p = mmap(NULL, 3 * MB, RW, ANON, -1, 0);
	strcpy(p, "moves");
	CHECK(munmap(p + 2 * MB, MB) == 0);
	CHECK(mremap(p, 2 * MB, 3 * MB, 0) == p);
	FAILS(mremap(p, 3 * MB, 4 * MB, 0), ENOMEM);
	char *q = mremap(p, 3 * MB, 64 * MB, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p && strcmp(q, "moves") == 0 && q[63 * MB] == 0);
	CHECK(map(p, MB, 0) == p && mremap(q, 64 * MB, 2 * MB, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x50000000) == (void *)0x50000000);
	CHECK(strcmp((char *)0x50000000, "moves") == 0);
	char *twice = mremap((void *)0x50000000, 2 * MB, 2 * MB, MREMAP_MAYMOVE | 4 /* MREMAP_DONTUNMAP */);
	CHECK(twice == MAP_FAILED || strcmp(twice, "moves") == 0);
	FAILS(mremap((void *)0x50000000, 2 * MB, 0xfff00000, MREMAP_MAYMOVE), ENOMEM);
	puts("mremap");

	int id = shmget(IPC_PRIVATE, 5 * MB, 0600 | IPC_CREAT);
	CHECK(id >= 0);
	char *s = shmat(id, NULL, 0), *s2 = shmat(id, (void *)0x60000000, 0);
	CHECK(s != (void *)-1 && s2 == (void *)0x60000000);
	s[MB] = 5;
	CHECK(s2[MB] == 5);
	CHECK(map(s, MB, 0) != s);
	CHECK(shmdt(s) == 0 && map(s, MB, 0) == s && shmdt(s2) == 0 && shmctl(id, IPC_RMID, NULL) == 0);
	puts("shmat");

	// A type that knows its own flags only, and pages of another size (of which the machine may have none).
	int file = open("validate", O_RDWR | O_CREAT, 0600);
	CHECK(ftruncate(file, MB) == 0);
	s = mmap(NULL, MB, RW, 3 /* MAP_SHARED_VALIDATE */, file, 0);
	CHECK(s != MAP_FAILED && map(s, MB, 0) != s && munmap(s, MB) == 0 && close(file) == 0);
	file = open("validate", O_RDWR);
	FAILS(mmap((void *)0x70000000, 4096, RW, 3 | MAP_FIXED_NOREPLACE, file, 0), EOPNOTSUPP);
	CHECK(close(file) == 0 && unlink("validate") == 0);
	s = mmap(NULL, 3 * MB, PROT_NONE, ANON | MAP_HUGETLB, -1, 0);
	CHECK(s == MAP_FAILED ? errno == ENOMEM : (uintptr_t)s % (2 * MB) == 0 && munmap(s, 4 * MB) == 0);
	puts("kinds");

	char *brk = sbrk(0);
	CHECK(sbrk(16 * MB) == brk && brk[16 * MB - 1] == 0 && (uintptr_t)brk < 0x20000000);
	// The heap does not grow into what is mapped.
	CHECK(map(brk + 20 * MB, MB, MAP_FIXED) != MAP_FAILED && sbrk(8 * MB) == (void *)-1 && errno == ENOMEM);
	CHECK(munmap(brk + 20 * MB, MB) == 0 && sbrk(8 * MB) == brk + 16 * MB && sbrk(-24 * MB) == brk + 24 * MB);
	puts("brk");

	// Large reservations, as runtimes make them, and everything in small pieces.
	char *large = map(NULL, 2048u * MB, 0);
	CHECK(large != MAP_FAILED);
	FAILS(map(NULL, 2048u * MB, 0), ENOMEM);
	CHECK(munmap(large, 2048u * MB) == 0);
	uint64_t big = room(256 * MB), small = room(MB);
	CHECK(big >= 2816ull * MB && big <= 4096ull * MB && small >= 3500ull * MB && small <= 4096ull * MB);
	CHECK(room(MB) == small && room(256 * MB) == big);
	puts("all of it");

	// A file beyond 2 GiB: mmap2 counts pages.
	int fd = open("sparse", O_RDWR | O_CREAT, 0600);
	off_t far = 0x345678000ll;
	CHECK(pwrite(fd, "far away", 9, far) == 9);
	CHECK(strcmp(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, far), "far away") == 0);
	CHECK(unlink("sparse") == 0);

	struct rlimit limit;
	CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
	CHECK(deep((char *)&limit, 6 * MB) > 1000);
	with_stack(3000ul * MB);
	with_stack(RLIM_INFINITY);
	puts("done");
	return 0;
}
