// Reading and writing at places, in pieces, and between files.
//@ glibc: musl has no preadv2
#include "../check.h"
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void)
{
	int fd = open("a", O_RDWR | O_CREAT, 0600), out = open("b", O_RDWR | O_CREAT, 0600);
	char buffer[8192], *text = "the quick brown fox jumps over the lazy dog";
	int length = strlen(text);
	CHECK(write(fd, text, length) == length && lseek(fd, 0, SEEK_CUR) == length);
	CHECK(pread(fd, buffer, 5, 4) == 5 && memcmp(buffer, "quick", 5) == 0);
	CHECK(pwrite(fd, "QUICK", 5, 4) == 5 && lseek(fd, 4, SEEK_SET) == 4 && read(fd, buffer, 5) == 5 && memcmp(buffer, "QUICK", 5) == 0);
	char one[3], two[100];
	struct iovec v[2] = {{one, 3}, {two, 100}};
	CHECK(lseek(fd, 0, SEEK_SET) == 0 && readv(fd, v, 2) == length && memcmp(one, "the", 3) == 0 && memcmp(two, " QUICK", 6) == 0);
	CHECK(preadv(fd, v, 2, 10) == length - 10 && memcmp(one, "bro", 3) == 0);
	CHECK(preadv2(fd, v, 2, 4, RWF_HIPRI) == length - 4 && memcmp(one, "QUI", 3) == 0);
	struct iovec w[3] = {{"12", 2}, {"", 0}, {"345", 3}};
	CHECK(writev(out, w, 3) == 5 && pwritev(out, w, 3, 100) == 5 && pwritev2(out, w, 1, -1, RWF_APPEND) == 2);
	CHECK(lseek(out, 0, SEEK_END) == 107);
	FAILS(readv(fd, v, 5000), EINVAL);
	FAILS(readv(fd, (void *)8, 1), EFAULT);
	FAILS(pread(fd, buffer, 5, -1), EINVAL);
	FAILS(read(-1, buffer, 5), EBADF);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	FAILS(read(fd, (void *)8, 5), EFAULT);
	FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
	FAILS(write(open("a", O_RDONLY), "x", 1), EBADF);

	// Holes, beyond 4 GiB.
	CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, "x", 1, 5ll << 30) == 1 && lseek(fd, 0, SEEK_END) == (5ll << 30) + 1);
	off_t data = lseek(fd, 0, SEEK_DATA);
	CHECK(data >= 0 && data <= 5ll << 30 && lseek(fd, 0, SEEK_HOLE) >= 0);
	FAILS(lseek(fd, 6ll << 30, SEEK_DATA), ENXIO);
	CHECK(ftruncate(fd, 100) == 0 && fallocate(fd, 0, 0, 10000) == 0 && lseek(fd, 0, SEEK_END) == 10000);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0 || errno == EOPNOTSUPP);
	FAILS(fallocate(fd, 0, -1, 10), EINVAL);

	// Between files.
	CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, text, length, 0) == length && ftruncate(out, 0) == 0 && lseek(out, 0, SEEK_SET) == 0);
	off_t at = 4;
	CHECK(sendfile(out, fd, &at, 5) == 5 && at == 9);
	loff_t from = 10, to = 5;
	CHECK(copy_file_range(fd, &from, out, &to, 5, 0) == 5 && from == 15 && to == 10);
	CHECK(pread(out, buffer, 100, 0) == 10 && memcmp(buffer, "quickbrown", 10) == 0);
	int p[2], q[2];
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	from = 4;
	CHECK(splice(fd, &from, p[1], NULL, 5, 0) == 5 && from == 9);
	CHECK(tee(p[0], q[1], 100, 0) == 5 && read(p[0], buffer, 100) == 5 && memcmp(buffer, "quick", 5) == 0);
	to = 100;
	CHECK(splice(q[0], NULL, out, &to, 100, 0) == 5 && to == 105 && pread(out, buffer, 5, 100) == 5 && memcmp(buffer, "quick", 5) == 0);
	struct iovec m = {text, 9};
	CHECK(vmsplice(p[1], &m, 1, 0) == 9 && read(p[0], buffer, 100) == 9 && memcmp(buffer, "the quick", 9) == 0);
	FAILS(splice(fd, NULL, out, NULL, 5, 0), EINVAL);
	FAILS(tee(fd, p[1], 5, 0), EINVAL);

	CHECK(fsync(fd) == 0 && fdatasync(fd) == 0 && syncfs(fd) == 0 && sync_file_range(fd, 0, 10, SYNC_FILE_RANGE_WRITE) == 0);
	CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL) == 0 && posix_fadvise(fd, 0, 0, 99) == EINVAL && readahead(fd, 0, 10) == 0);
	CHECK(dup(fd) > fd);
	FAILS(dup3(fd, fd, 0), EINVAL);
	FAILS(dup3(fd, 60, O_APPEND), EINVAL);
	CHECK(dup3(fd, 60, O_CLOEXEC) == 60 && fcntl(60, F_GETFD) == FD_CLOEXEC && dup2(60, 61) == 61 && fcntl(61, F_GETFD) == 0);
	FAILS(dup2(-1, 60), EBADF);
	puts("done");
	return 0;
}
