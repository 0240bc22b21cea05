// Files as a program of 32 bits without large files sees them: what does not fit its structures, on a disk, a tmpfs of many blocks and an overlay with inodes of 64 bits. What
// the host's kernel answers to an i386 program is what must be printed.
//@ narrow
//@ variants: static
#include "../namespace.h"
#include "../say.h"
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define GB (1ll << 30)

static void places(int big)
{
	int pipes[2], small = open("small", O_RDWR | O_CREAT, 0600);
	CHECK(small >= 0 && pipe(pipes) == 0);
	SAY(lseek64(big, 3 * GB, SEEK_SET));
	SAY(lseek(big, 0, SEEK_CUR));
	SAY(lseek64(big, 0, SEEK_CUR));
	SAY(lseek(big, 0, SEEK_HOLE));
	SAY(lseek(big, -1, SEEK_SET));
	off_t at = 0;
	SAY(sendfile(pipes[1], big, &at, 100));
	SAY(at);
	at = 0x7ffffff0;
	SAY(sendfile(pipes[1], big, &at, 100));
	SAY(at);
	SAY(sendfile(pipes[1], big, &at, 100));
	SAY(sendfile(-1, big, &at, 100));
	at = -1;
	SAY(sendfile(pipes[1], big, &at, 100));
	off64_t wide = 3 * GB;
	SAY(sendfile64(pipes[1], big, &wide, 100));
	SAY(wide);
	SAY(lseek64(big, 3 * GB, SEEK_SET));
	SAY(sendfile(pipes[1], big, NULL, 10));
	SAY(splice(big, &wide, pipes[1], NULL, 100, 0));
	SAY(wide);
	SAY(ftruncate(small, -1));
	SAY(ftruncate64(big, -1));
	SAY(pread64(big, &at, 1, -1));
	SAY(pread64(big, &at, 1, 1ll << 40));
	SAY(pwrite64(big, &at, 1, 1ll << 62));
	SAY(fallocate64(big, 0, -1, 5));
	SAY(fallocate64(big, FALLOC_FL_KEEP_SIZE, 6 * GB, 4096) == 0 || errno == EOPNOTSUPP);
	SAY(posix_fadvise64(big, 3 * GB, 3 * GB, POSIX_FADV_DONTNEED));
	SAY(posix_fadvise64(big, 0, 0, 99));
	SAY(sync_file_range(big, 3 * GB, 100, 99));
	SAY(readahead(big, 3 * GB, 100));
	SAY(mmap64(NULL, 4096, PROT_READ, MAP_SHARED, big, 4 * GB) != MAP_FAILED);
	SAY((long)mmap64(NULL, 4096, PROT_READ, MAP_SHARED, big, 4 * GB + 5));
}

static void opening(int big)
{
	struct { uint64_t flags, mode, resolve; } how = {O_RDWR, 0, 0};
	SAY(open("big", O_RDONLY));
	SAY(open("big", O_PATH) >= 0);
	SAY(openat(AT_FDCWD, "big", O_WRONLY));
	SAY(syscall(SYS_openat2, AT_FDCWD, "big", &how, sizeof how) >= 0);
	// What is refused stays as it is.
	SAY(open("big", O_RDWR | O_TRUNC));
	SAY(open("big", O_WRONLY | O_CREAT | O_TRUNC, 0600));
	SAY(symlink("big", "link"));
	SAY(open("link", O_RDWR | O_TRUNC));
	SAY(open("link", O_RDWR | O_TRUNC | O_NOFOLLOW));
	SAY(open("big", O_RDWR | O_CREAT | O_EXCL | O_TRUNC, 0600));
	struct stat64 st;
	CHECK(fstat64(big, &st) == 0);
	SAY(st.st_size);
	char name[64];
	sprintf(name, "/proc/self/fd/%d", big);
	SAY(open(name, O_RDONLY));
	SAY(open64(name, O_RDONLY) >= 0);
	struct { unsigned size; int type; char handle[128]; } handle = {128};
	int mount;
	if (getuid() == 0 && syscall(SYS_name_to_handle_at, AT_FDCWD, "big", &handle, &mount, 0) == 0) {
		SAY(syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY));
		SAY(syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY | O_LARGEFILE) >= 0 || errno == EPERM);
	}
	struct stat narrow;
	SAY(stat("big", &narrow));
	SAY(fstat(big, &narrow));
	SAY(lstat("big", &narrow));
	SAY(access("big", R_OK));
	SAY(truncate64("big", 7 * GB));
	// This call is the same for all programs.
	SAY(creat("big", 0600) >= 0);
	SAY(stat("big", &narrow));
	SAY(truncate64("big", 5 * GB));
}

static void say_lock(const struct flock *l) { printf("type %d start %ld length %ld\n", l->l_type, (long)l->l_start, (long)l->l_len); }

static void locks(int big)
{
	struct flock64 wide = {.l_type = F_WRLCK, .l_start = 3 * GB, .l_len = 100};
	SAY(fcntl(big, F_SETLK64, &wide));
	fflush(stdout);
	if (fork() == 0) {
		int other = open64("big", O_RDWR);
		struct flock lock = {.l_type = F_WRLCK, .l_start = 0, .l_len = 0};
		SAY(fcntl(other, F_GETLK, &lock));
		lock = (struct flock){.l_type = F_WRLCK, .l_start = 0, .l_len = 0x7fffffff};
		SAY(fcntl(other, F_GETLK, &lock));
		say_lock(&lock);
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	// The length is told as far as it goes.
	wide = (struct flock64){.l_type = F_WRLCK, .l_start = 100, .l_len = 6 * GB};
	SAY(fcntl(big, F_SETLK64, &wide));
	fflush(stdout);
	if (fork() == 0) {
		int other = open64("big", O_RDWR);
		struct flock lock = {.l_type = F_WRLCK, .l_start = 0, .l_len = 0};
		SAY(fcntl(other, F_GETLK, &lock));
		say_lock(&lock);
		lock.l_type = 77;
		SAY(fcntl(other, F_GETLK, &lock));
		SAY(fcntl(other, F_GETLK, (void *)8));
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
}

static void entries(const char *folder)
{
	DIR *d = opendir(folder);
	CHECK(d);
	int narrow = 0, wide = 0;
	for (errno = 0; readdir(d);)
		narrow++;
	printf("readdir %d %s\n", narrow, strerrorname_np(errno));
	rewinddir(d);
	for (errno = 0; readdir64(d);)
		wide++;
	printf("readdir64 %d %s\n", wide, strerrorname_np(errno));
	closedir(d);
	int fd = open(folder, O_RDONLY | O_DIRECTORY);
	char buffer[300];
	long got;
	for (errno = 0; (got = syscall(SYS_getdents, fd, buffer, sizeof buffer)) > 0;)
		;
	printf("getdents %ld %s\n", got, strerrorname_np(errno));
	close(fd);
}

// In a mount namespace: nothing is left of it.
static void mounts(void)
{
	if ((getuid() ? unshare_user(CLONE_NEWNS) : unshare(CLONE_NEWNS)) != 0) {
		puts("no namespace");
		return;
	}
	SAY(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CHECK(mkdir("m", 0755) == 0);
	SAY(mount("tmpfs", "m", "tmpfs", 0, "size=20000g"));
	struct statfs narrow;
	struct statfs64 wide;
	SAY(statfs("m", &narrow));
	SAY(statfs64("m", &wide));
	SAY((long long)wide.f_blocks);
	int fd = open("m", O_RDONLY | O_DIRECTORY);
	SAY(fstatfs(fd, &narrow));
	close(fd);
	SAY(statfs("/proc", &narrow));
	// On two file systems, which is what makes long inodes of them.
	const char *const folders[] = {"lower", "m/upper", "m/work", "m/all"};
	for (int i = 0; i < 4; i++)
		CHECK(mkdir(folders[i], 0755) == 0);
	for (int i = 0; i < 50; i++) {
		char name[40];
		sprintf(name, "lower/file-%d", i);
		close(open(name, O_CREAT | O_WRONLY, 0644));
	}
	entries("lower");
	char options[5000], cwd[1000];
	CHECK(getcwd(cwd, sizeof cwd));
	snprintf(options, sizeof options, "lowerdir=%s/lower,upperdir=%s/m/upper,workdir=%s/m/work,xino=on%s", cwd, cwd, cwd, getuid() ? ",userxattr" : "");
	if (mount("overlay", "m/all", "overlay", 0, options) == 0) {
		struct stat st;
		struct stat64 st64;
		SAY(stat64("m/all/file-1", &st64));
		SAY(st64.st_ino >> 32 != 0);
		SAY(stat("m/all/file-1", &st));
		SAY(lstat("m/all/file-1", &st));
		SAY(fstatat(AT_FDCWD, "m/all/file-1", &st, 0));
		fd = open("m/all/file-1", O_RDONLY);
		SAY(fstat(fd, &st));
		close(fd);
		entries("m/all");
		SAY(umount2("m/all", MNT_DETACH));
	}
	SAY(umount2("m", MNT_DETACH));
}

int main(void)
{
	int big = open64("big", O_RDWR | O_CREAT, 0600);
	CHECK(big >= 0 && ftruncate64(big, 5 * GB) == 0);
	opening(big);
	places(big);
	locks(big);
	mounts();
	return 0;
}
