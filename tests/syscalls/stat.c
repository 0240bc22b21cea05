// struct stat in every way to get it, and statx.
//@ glibc: musl has no statx yet
#include "../check.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <unistd.h>

static void show(const char *name, const struct stat *s)
{
	printf("%s mode %o nlink %lu size %lld blocks %lld blksize %ld atime %lld.%09ld mtime %lld.%09ld\n", name, s->st_mode, (long)s->st_nlink,
	       (long long)s->st_size, (long long)s->st_blocks, (long)s->st_blksize, (long long)s->st_atim.tv_sec, s->st_atim.tv_nsec,
	       (long long)s->st_mtim.tv_sec, s->st_mtim.tv_nsec);
}

int main(void)
{
	umask(022);
	int fd = open("file", O_RDWR | O_CREAT, 0751);
	CHECK(fd >= 0 && ftruncate(fd, 123456789) == 0);
	struct timespec times[2] = {{1000000000, 123456789}, {1500000000, 987654321}};
	CHECK(futimens(fd, times) == 0);
	CHECK(link("file", "hard") == 0 && symlink("file", "soft") == 0);
	struct stat a, b, c, l;
	CHECK(stat("soft", &a) == 0 && fstat(fd, &b) == 0 && fstatat(AT_FDCWD, "file", &c, 0) == 0);
	CHECK(memcmp(&a, &b, sizeof a) == 0 && memcmp(&b, &c, sizeof a) == 0);
	show("file", &a);
	CHECK(a.st_uid == geteuid() && a.st_gid == getegid() && a.st_ino != 0);
	CHECK(lstat("soft", &l) == 0 && S_ISLNK(l.st_mode) && l.st_size == 4);
	CHECK(fstatat(AT_FDCWD, "soft", &l, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(l.st_mode));
	CHECK(fstatat(fd, "", &c, AT_EMPTY_PATH) == 0 && c.st_ino == a.st_ino);
	FAILS(stat("none", &a), ENOENT);
	FAILS(stat("file/x", &a), ENOTDIR);
#ifndef __arm__ // (where the C library fills the structure)
	FAILS(stat("file", (void *)8), EFAULT);
#endif
	FAILS(stat((void *)8, &a), EFAULT);
	FAILS(fstat(-1, &a), EBADF);
	FAILS(fstatat(AT_FDCWD, "file", &a, 0x40000000), EINVAL);
	CHECK(stat("/dev/null", &a) == 0 && S_ISCHR(a.st_mode) && a.st_rdev == makedev(1, 3));

	struct statx x;
	CHECK(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &x) == 0);
	CHECK(x.stx_ino == b.st_ino && x.stx_size == 123456789 && x.stx_mode == b.st_mode && x.stx_mtime.tv_nsec == 987654321);
	CHECK(makedev(x.stx_dev_major, x.stx_dev_minor) == b.st_dev && x.stx_nlink == 2);
	CHECK(statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &x) == 0 && x.stx_size == 123456789);
	FAILS(statx(AT_FDCWD, "none", 0, STATX_ALL, &x), ENOENT);

	CHECK(chmod("file", 04555) == 0 && stat("file", &a) == 0 && (a.st_mode & 07777) == 04555);
	CHECK(fchmod(fd, 0600) == 0 && fchmodat(AT_FDCWD, "file", 0620, 0) == 0 && stat("file", &a) == 0 && (a.st_mode & 07777) == 0620);
	CHECK(truncate("file", 10) == 0 && stat("file", &a) == 0 && a.st_size == 10);
	FAILS(truncate("file", -1), EINVAL);
	struct timespec omit[2] = {{0, UTIME_OMIT}, {77, 0}};
	CHECK(utimensat(AT_FDCWD, "file", omit, 0) == 0 && stat("file", &a) == 0 && a.st_atim.tv_sec == 1000000000 && a.st_mtim.tv_sec == 77);
	struct timeval tv[2] = {{5, 6}, {7, 8}};
	CHECK(utimes("file", tv) == 0 && stat("file", &a) == 0 && a.st_mtim.tv_nsec == 8000);
	CHECK(utimensat(AT_FDCWD, "soft", times, AT_SYMLINK_NOFOLLOW) == 0 && lstat("soft", &l) == 0 && l.st_mtim.tv_sec == 1500000000);
	CHECK(access("file", R_OK | W_OK) == 0);
	FAILS(access("none", F_OK), ENOENT);
	FAILS(faccessat(AT_FDCWD, "file", 077, 0), EINVAL);
	CHECK(faccessat(AT_FDCWD, "soft", F_OK, AT_SYMLINK_NOFOLLOW | AT_EACCESS) == 0);

	struct statfs f, g;
	CHECK(statfs(".", &f) == 0 && fstatfs(fd, &g) == 0 && f.f_type == g.f_type && f.f_bsize == g.f_bsize && f.f_namelen == 255);
	CHECK(statfs("/proc", &f) == 0 && f.f_type == 0x9fa0);
	struct statvfs v;
	CHECK(statvfs(".", &v) == 0 && v.f_namemax == 255);
	FAILS(statfs("none", &f), ENOENT);
	puts("done");
	return 0;
}
