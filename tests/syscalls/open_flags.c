// Flags of open that have different bits on different architectures, and what fcntl tells of them.
#include "../check.h"
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve, size_t size)
{
	uint64_t how[8] = {flags, mode, resolve};
	return syscall(SYS_openat2, dir, path, how, size);
}

int main(void)
{
	int fd = open("file", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	CHECK(fd >= 0);
	CHECK((fcntl(fd, F_GETFL) & ~O_LARGEFILE & ~0x8000 & ~0400000) == O_RDWR);
	FAILS(open("file", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK) == 0);
	int flags = fcntl(fd, F_GETFL);
	CHECK(flags & O_APPEND && flags & O_NONBLOCK && !(flags & O_DIRECT));
	CHECK(symlink("file", "link") == 0 && mkdir("dir", 0755) == 0);

	FAILS(open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
	FAILS(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
	FAILS(open("dir", O_WRONLY), EISDIR);
	FAILS(open("missing", O_RDONLY), ENOENT);
	FAILS(open((char *)8, O_RDONLY), EFAULT);
	FAILS(open("", O_RDONLY), ENOENT);
	int dir = open("dir", O_RDONLY | O_DIRECTORY);
	CHECK(dir >= 0 && fcntl(dir, F_GETFL) & O_DIRECTORY);
	int path = open("link", O_PATH | O_NOFOLLOW);
	CHECK(path >= 0);
	CHECK(fcntl(path, F_GETFL) & O_PATH && fcntl(path, F_GETFL) & O_NOFOLLOW);
	struct stat st;
	CHECK(fstat(path, &st) == 0 && S_ISLNK(st.st_mode));
	int tmp = open(".", O_TMPFILE | O_RDWR, 0600);
	CHECK(tmp >= 0 && fstat(tmp, &st) == 0 && st.st_nlink == 0);
	FAILS(open(".", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0600), EINVAL);
	int sync = open("file", O_WRONLY | O_SYNC);
	CHECK((fcntl(sync, F_GETFL) & O_SYNC) == O_SYNC);
	sync = open("file", O_WRONLY | O_DSYNC | O_NOATIME);
	CHECK((fcntl(sync, F_GETFL) & (O_SYNC | O_NOATIME)) == (O_DSYNC | O_NOATIME));
	int direct = open("file", O_RDWR | O_DIRECT);
	printf("direct %s\n", direct >= 0 ? "yes" : strerror(errno));
	if (direct >= 0) {
		CHECK(fcntl(direct, F_GETFL) & O_DIRECT);
		CHECK(fcntl(direct, F_SETFL, 0) == 0 && !(fcntl(direct, F_GETFL) & O_DIRECT));
	}
	// Packet mode of pipes is the same bit.
	int p[2];
	char buffer[100];
	CHECK(pipe2(p, O_DIRECT) == 0 && write(p[1], "abc", 3) == 3 && write(p[1], "de", 2) == 2);
	CHECK(read(p[0], buffer, 100) == 3);
	CHECK(fcntl(p[1], F_GETFL) == (O_WRONLY | O_DIRECT));
	FAILS(pipe2(p, O_CREAT), EINVAL);

	CHECK(openat2(AT_FDCWD, "file", O_RDONLY | O_NOFOLLOW, 0, 0, 24) >= 0);
	FAILS(openat2(AT_FDCWD, "link", O_RDONLY | O_NOFOLLOW, 0, 0, 24), ELOOP);
	FAILS(openat2(AT_FDCWD, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS, 24), ELOOP);
	FAILS(openat2(dir, "../file", O_RDONLY, 0, RESOLVE_BENEATH, 24), EXDEV);
	FAILS(openat2(AT_FDCWD, "file", O_RDONLY | O_DIRECTORY, 0, 0, 24), ENOTDIR);
	FAILS(openat2(AT_FDCWD, "file", O_RDONLY, 0, 0, 16), EINVAL);
	FAILS(openat2(AT_FDCWD, "file", O_RDONLY, 0, ~0ull, 24), EINVAL);
	FAILS(openat2(AT_FDCWD, "file", 1ull << 60, 0, 0, 24), EINVAL);
	FAILS(syscall(SYS_openat2, AT_FDCWD, "file", (void *)8, 24), EFAULT);
	CHECK(openat2(AT_FDCWD, "file", O_RDONLY, 0, 0, 64) >= 0);
	CHECK(creat("file", 0600) >= 0);
	puts("done");
	return 0;
}
