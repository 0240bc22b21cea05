// Descriptors that nobody has opened have no entry in /proc, however its path is spelled, and no call finds them that takes descriptors in other ways.
//@ host-flags: -static
#include "../check.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { FIRST = 190, END = 260 };
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

// No call finds `path`.
static void missing(const char *path)
{
	struct stat st;
	char stx[256];
	char text[64];
	FAILS(stat(path, &st), ENOENT);
	FAILS(lstat(path, &st), ENOENT);
	FAILS(syscall(SYS_statx, AT_FDCWD, path, 0, 0x7ff, stx), ENOENT);
	FAILS(open(path, O_RDONLY), ENOENT);
	FAILS(open(path, O_RDWR), ENOENT);
	FAILS(open(path, O_WRONLY | O_TRUNC), ENOENT);
	FAILS(open(path, O_PATH), ENOENT);
	FAILS(open(path, O_PATH | O_NOFOLLOW), ENOENT);
	FAILS(open(path, O_CREAT | O_RDWR, 0600), ENOENT);
	FAILS(readlink(path, text, sizeof text), ENOENT);
	FAILS(access(path, F_OK), ENOENT);
	FAILS(truncate(path, 0), ENOENT);
	FAILS(chmod(path, 0700), ENOENT);
	FAILS(chown(path, -1, -1), ENOENT);
	FAILS(utimensat(AT_FDCWD, path, NULL, 0), ENOENT);
	FAILS(getxattr(path, "user.x", text, sizeof text), ENOENT);
	FAILS(chdir(path), ENOENT);
	FAILS(linkat(AT_FDCWD, path, AT_FDCWD, "new", AT_SYMLINK_FOLLOW), ENOENT);
	FAILS(unlink(path), ENOENT);
	FAILS(mkdir(path, 0700), ENOENT);
	FAILS(execl(path, "x", NULL), ENOENT);
	int watch = inotify_init1(0);
	FAILS(inotify_add_watch(watch, path, IN_ACCESS), ENOENT);
	close(watch);
}

// A symbolic link leads there.
static void missing_behind(const char *target)
{
	struct stat st;
	char stx[256];
	char text[64];
	CHECK(symlink(target, "link") == 0 && symlink("./link", "link2") == 0);
	for (const char *path = "link";; path = "link2") {
		FAILS(stat(path, &st), ENOENT);
		FAILS(syscall(SYS_statx, AT_FDCWD, path, 0, 0x7ff, stx), ENOENT);
		FAILS(open(path, O_RDONLY), ENOENT);
		FAILS(open(path, O_RDWR), ENOENT);
		FAILS(open(path, O_PATH), ENOENT);
		FAILS(truncate(path, 0), ENOENT);
		FAILS(chmod(path, 0700), ENOENT);
		FAILS(getxattr(path, "user.x", text, sizeof text), ENOENT);
		FAILS(execl(path, "x", NULL), ENOENT);
		CHECK(lstat(path, &st) == 0 && readlink(path, text, sizeof text) > 0);
		CHECK(lchown(path, -1, -1) == 0);
		CHECK(fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode));
		if (!strcmp(path, "link2"))
			break;
	}
	CHECK(unlink("link") == 0 && unlink("link2") == 0);
}

// No entry of the directory is one of the numbers.
static void not_listed(const char *folder)
{
	DIR *dir = opendir(folder);
	CHECK(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		CHECK(atoi(entry->d_name) < FIRST || atoi(entry->d_name) >= END);
	closedir(dir);
}

static void by_paths(const char *process)
{
	char folder[64], path[96];
	for (int info = 0; info < 2; info++) {
		snprintf(folder, sizeof folder, "%s/%s", process, info ? "fdinfo" : "fd");
		not_listed(folder);
		int dir = open(folder, O_RDONLY | O_DIRECTORY);
		CHECK(dir >= 0);
		for (int fd = FIRST; fd < END; fd++) {
			struct stat st;
			snprintf(path, sizeof path, "%s/%d", folder, fd);
			missing(path);
			missing_behind(path);
			snprintf(path, sizeof path, "%s/.//%d", folder, fd);
			FAILS(open(path, O_RDONLY), ENOENT);
			snprintf(path, sizeof path, "%d", fd);
			FAILS(fstatat(dir, path, &st, 0), ENOENT);
			FAILS(openat(dir, path, O_PATH | O_NOFOLLOW), ENOENT);
			FAILS(faccessat(dir, path, F_OK, 0), ENOENT);
			FAILS(fchmodat(dir, path, 0700, 0), ENOENT);
		}
		close(dir);
	}
}

static void by_numbers(void)
{
	int self = syscall(SYS_pidfd_open, getpid(), 0);
	// select looks at no number beyond the table of descriptors, which grows and never shrinks.
	CHECK(self >= 0 && dup2(0, END) == END && close(END) == 0);
	for (int fd = FIRST; fd < END; fd++) {
		int pid = getpid();
		FAILS(syscall(SYS_pidfd_getfd, self, fd, 0), EBADF);
		FAILS(syscall(SYS_kcmp, pid, pid, KCMP_FILE, fd, 0), EBADF);
		FAILS(syscall(SYS_kcmp, pid, pid, KCMP_FILE, 0, fd), EBADF);
		fd_set set;
		FD_ZERO(&set);
		FD_SET(fd, &set);
		FAILS(select(fd + 1, &set, NULL, NULL, &(struct timeval){ 0 }), EBADF);
		FAILS(pselect(fd + 1, NULL, NULL, &set, &(struct timespec){ 0 }, NULL), EBADF);
		CHECK(select(fd, &set, NULL, NULL, &(struct timeval){ 0 }) == 0);
		struct pollfd poll_fd = { fd, POLLIN, 0 };
		CHECK(poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == POLLNVAL);
		CHECK(syscall(SYS_close_range, fd, fd, 0) == 0);
	}
	close(self);
}

// What was opened at those numbers is there.
static void own(void)
{
	int file = open("file", O_CREAT | O_RDWR, 0600);
	CHECK(file >= 0 && write(file, "x", 1) == 1);
	for (int fd = FIRST; fd < END; fd++) {
		char path[64], byte = 0;
		struct stat st;
		CHECK(dup2(file, fd) == fd);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		CHECK(stat(path, &st) == 0 && st.st_size == 1 && chmod(path, 0600) == 0);
		int again = open(path, O_RDONLY);
		CHECK(again >= 0 && read(again, &byte, 1) == 1 && byte == 'x');
		close(again);
		snprintf(path, sizeof path, "/proc/thread-self/fdinfo/%d", fd);
		CHECK((again = open(path, O_RDONLY)) >= 0);
		close(again);
		CHECK(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, file, fd) == 0);
		fd_set set;
		FD_ZERO(&set);
		FD_SET(fd, &set);
		CHECK(select(fd + 1, &set, NULL, NULL, NULL) == 1);
		close(fd);
	}
	// A program that is open as any file may be: this process's own.
	int again = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	CHECK(again >= 0 && dup3(again, FIRST, O_CLOEXEC) == FIRST);
	CHECK(access("/proc/self/fd/190", F_OK) == 0);
	close(again), close(FIRST), close(file), unlink("file");
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) {
		// The child of the program, looked at by its parent.
		char byte;
		CHECK(write(1, "r", 1) == 1);
		CHECK(read(0, &byte, 1) == 0);
		return 0;
	}
	syscall(SYS_close_range, 3, ~0u, 0);
	by_paths("/proc/self");
	by_paths("/proc/thread-self");
	missing_behind("/dev/fd/200");
	CHECK(chdir("/proc/self/fd") == 0);
	for (int fd = FIRST; fd < END; fd++) {
		char name[16];
		snprintf(name, sizeof name, "%d", fd);
		missing(name);
	}
	not_listed(".");
	CHECK(chdir("/tmp") == 0);
	by_numbers();

	// A child by fork, and one that has executed a program.
	char process[32], work[] = "/tmp/hiddenXXXXXX";
	CHECK(mkdtemp(work) && chdir(work) == 0);
	for (int executes = 0; executes < 2; executes++) {
		int in[2], out[2];
		CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
		pid_t pid = fork();
		if (pid == 0) {
			char byte = 'r';
			CHECK(dup2(in[0], 0) == 0);
			if (executes) {
				CHECK(dup2(out[1], 1) == 1);
				execl(getenv("TEST_SELF"), "name", "child", NULL);
			}
			close(in[1]);
			CHECK(write(out[1], &byte, 1) == 1);
			_exit(read(0, &byte, 1));
		}
		char byte;
		int status;
		close(in[0]), close(out[1]);
		CHECK(pid > 0 && read(out[0], &byte, 1) == 1);
		snprintf(process, sizeof process, "/proc/%d", pid);
		by_paths(process);
		int pidfd = syscall(SYS_pidfd_open, pid, 0);
		for (int fd = FIRST; fd < END; fd++)
			FAILS(syscall(SYS_pidfd_getfd, pidfd, fd, 0), EBADF);
		close(pidfd), close(in[1]), close(out[0]);
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
	own();

	// The directory elsewhere, where this user may mount.
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0) {
		for (int info = 0; info < 2; info++) {
			CHECK(mkdir("mounted", 0700) == 0);
			CHECK(mount(info ? "/proc/self/fdinfo" : "/proc/self/fd", "mounted", NULL, MS_BIND, NULL) == 0);
			not_listed("mounted");
			for (int fd = FIRST; fd < END; fd++) {
				char path[64];
				snprintf(path, sizeof path, "mounted/%d", fd);
				missing(path);
			}
			CHECK(umount2("mounted", MNT_DETACH) == 0 && rmdir("mounted") == 0);
		}
	}
	CHECK(chdir("/") == 0 && rmdir(work) == 0);
	puts("done");
	return 0;
}
