// Code that is written through /proc/self/mem, with every call and by every way to open the file.
// The kernel synchronizes it: the program announces nothing.
//@ armel-flags: -march=armv7-a
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../check.h"
#include "../code.h"

#define PAGE 4096

// musl of Debian 12 has none. The offset is in two halves, of which 64-bit kernels take the first.
static ssize_t write_at(int fd, struct iovec *parts, off_t at)
{
	return syscall(SYS_pwritev2, fd, parts, 2, (long)at, (long)((int64_t)at >> 32), 0);
}

// Writes the function at p through a descriptor of the file, by the call of this number.
static ssize_t put(int fd, char *p, int n, int way)
{
	uint64_t code = constant(n);
	struct iovec parts[2] = { { &code, 3 }, { (char *)&code + 3, 5 } };
	off_t at = (off_t)(uintptr_t)p;
	switch (way) {
	case 0: return pwrite(fd, &code, 8, at);
	case 1: return lseek(fd, at, SEEK_SET) < 0 ? -1 : write(fd, &code, 8);
	case 2: return pwritev(fd, parts, 2, at);
	case 3: return lseek(fd, at, SEEK_SET) < 0 ? -1 : writev(fd, parts, 2);
	case 4: return write_at(fd, parts, at);
	default: return lseek(fd, at, SEEK_SET) < 0 ? -1 : write_at(fd, parts, -1);
	}
}

static void all_calls(int fd, char *p)
{
	for (int n = 0; n < 60; n++) {
		CHECK(put(fd, p, n, n % 6) == 8);
		int got = call(p);
		if (got != n) printf("way %d: %d for %d\n", n % 6, got, n);
		CHECK(got == n);
	}
}

int main(void)
{
	char *p = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	memcpy(p, &(uint64_t){ constant(7) }, 8);
	__builtin___clear_cache(p, p + 8);
	// A write through the file needs no permission to write.
	CHECK(mprotect(p, PAGE, PROT_READ | PROT_EXEC) == 0);
	CHECK(call(p) == 7);

	char thread[64];
	snprintf(thread, sizeof thread, "/proc/self/task/%d/mem", getpid());
	CHECK(symlink("/proc/self/mem", "link") == 0);
	const char *names[] = { "/proc/self/mem", "/proc/thread-self/mem", thread, "link" };
	for (int i = 0; i < 4; i++) {
		int flags[] = { O_RDWR, O_WRONLY };
		for (int k = 0; k < 2; k++) {
			int fd = open(names[i], flags[k]);
			CHECK(fd >= 0);
			all_calls(fd, p);
			int copy = dup(fd);
			close(fd);
			all_calls(copy, p);
			close(copy);
		}
	}
	int dir = open("/proc/self", O_PATH | O_DIRECTORY), fd = openat(dir, "mem", O_RDWR | O_CLOEXEC);
	CHECK(dir >= 0 && fd >= 0);
	all_calls(fd, p);
	// A child has the parent's descriptor, which writes to the parent, and opens its own.
	pid_t child = fork();
	if (child == 0) {
		CHECK(put(fd, p, 99, 0) == 8);
		CHECK(call(p) == 59);
		int own = open("/proc/self/mem", O_RDWR);
		all_calls(own, p);
		_exit(0);
	}
	int status;
	CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
	// Other files are written as ever.
	int other = open("other", O_CREAT | O_RDWR | O_TRUNC, 0600);
	CHECK(other >= 0 && write(other, "abc", 3) == 3 && pwrite(other, "d", 1, 1) == 1);
	char text[4] = { 0 };
	CHECK(pread(other, text, 3, 0) == 3 && strcmp(text, "adc") == 0);
	puts("ok");
}
