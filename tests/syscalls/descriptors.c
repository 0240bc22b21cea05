// close_range, memfd, file handles, ioctls of files.
//@ glibc: musl has no close_range yet
#include "../check.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

int main(void)
{
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	for (int i = 100; i < 110; i++)
		CHECK(dup2(fd, i) == i);
	CHECK(syscall(SYS_close_range, 102, 104, 0) == 0 && is_open(101) && !is_open(102) && !is_open(104) && is_open(105));
	CHECK(syscall(SYS_close_range, 106, 107, CLOSE_RANGE_CLOEXEC) == 0 && fcntl(106, F_GETFD) == FD_CLOEXEC && fcntl(108, F_GETFD) == 0);
	FAILS(syscall(SYS_close_range, 5, 4, 0), EINVAL);
	FAILS(syscall(SYS_close_range, 5, 6, 99), EINVAL);
	pid_t child = fork();
	if (child == 0) {
		CHECK(syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_UNSHARE) == 0 && !is_open(fd) && is_open(1));
		// Everything still works without any descriptor of its own.
		int again = open("file", O_RDONLY);
		CHECK(again == 3);
		_exit(0);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0 && is_open(fd));
	CHECK(close(109) == 0);
	FAILS(close(109), EBADF);
	// Nothing but our own descriptors is open.
	int open_fds = 0;
	for (int i = 0; i < 1024; i++)
		open_fds += is_open(i);
	printf("%d\n", open_fds);

	int mem = memfd_create("name", MFD_CLOEXEC);
	char path[50], target[50];
	CHECK(mem >= 0 && write(mem, "memory", 6) == 6);
	sprintf(path, "/proc/self/fd/%d", mem);
	ssize_t n = readlink(path, target, sizeof target);
	CHECK(n > 0 && memcmp(target, "/memfd:name", 11) == 0);
	int again = open(path, O_RDONLY);
	CHECK(again >= 0 && read(again, target, 10) == 6 && memcmp(target, "memory", 6) == 0);
	FAILS(memfd_create("x", 0x8000), EINVAL);
	FAILS(memfd_create((char *)8, 0), EFAULT);

	struct {
		struct file_handle h;
		char space[MAX_HANDLE_SZ];
	} handle = {.h.handle_bytes = MAX_HANDLE_SZ};
	int mount;
	if (name_to_handle_at(AT_FDCWD, "file", &handle.h, &mount, 0) == 0) {
		CHECK(handle.h.handle_bytes > 0);
		int by = open_by_handle_at(AT_FDCWD, &handle.h, O_RDONLY | O_NOFOLLOW);
		printf("by handle %s\n", by >= 0 ? "yes" : strerror(errno));
	} else {
		printf("handles: %s\n", strerror(errno));
	}
	handle.h.handle_bytes = 0;
	FAILS(name_to_handle_at(AT_FDCWD, "none", &handle.h, &mount, 0), ENOENT);

	int value;
	CHECK(ioctl(fd, FIGETBSZ, &value) == 0 && value >= 512);
	int flags = 0, r = ioctl(fd, FS_IOC_GETFLAGS, &flags);
	printf("flags %d %s\n", r, r ? strerror(errno) : "");
	int other = open("other", O_RDWR | O_CREAT, 0600);
	r = ioctl(other, FICLONE, fd);
	printf("clone %d %s\n", r, r ? strerror(errno) : "");
	CHECK(ioctl(fd, FIOCLEX) == 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && ioctl(fd, FIONCLEX) == 0 && fcntl(fd, F_GETFD) == 0);
	FAILS(ioctl(fd, TCGETS, target), ENOTTY);
	FAILS(ioctl(-1, FIOCLEX), EBADF);
	puts("done");
	return 0;
}
