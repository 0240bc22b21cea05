// Files in /proc that show the machine or the program, opened in every way: all lead to the same
// file, which looks like the kernel's own.
#include "../check.h"
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static char content[1 << 20], wanted[1 << 20];

// struct statx, of which musl may know nothing: stx_nlink, stx_ino, stx_size.
struct statx_head {
	uint32_t a[4], links, b[3];
	uint64_t ino, size, c[26];
};

static long read_all(int fd, char *to)
{
	long n = 0, r;
	while ((r = read(fd, to + n, sizeof content - 1 - n)) > 0)
		n += r;
	CHECK(r == 0);
	to[n] = 0;
	return n;
}

static int elf_machine(int fd)
{
	unsigned char head[20];
	CHECK(pread(fd, head, 20, 0) == 20 && head[0] == 0x7f);
	return head[18] | head[19] << 8;
}

static void same(const char *what, const struct stat *a, const struct stat *b)
{
	if (a->st_ino != b->st_ino || a->st_dev != b->st_dev || a->st_mode != b->st_mode || a->st_size != b->st_size || a->st_nlink != b->st_nlink ||
	    a->st_mtime != b->st_mtime || a->st_uid != b->st_uid)
		printf("%s: another file\n", what), fflush(stdout), _exit(1);
}

// The open file `fd` has the content of /proc/self's `name`, or of /proc/cpuinfo.
static void check(const char *what, int fd)
{
	char link[64], name[300];
	struct stat by_fd, by_path, by_link, by_at;
	struct statx_head x;
	struct statfs fs;
	if (fd < 0) {
		printf("%s: errno %d\n", what, errno);
		return;
	}
	sprintf(link, "/proc/self/fd/%d", fd);
	int n = readlink(link, name, sizeof name - 1);
	CHECK(n > 0);
	name[n] = 0;
	CHECK(strncmp(name, "/proc/", 6) == 0);
	CHECK(readlink(link, content, 4) == 4 && memcmp(content, "/pro", 4) == 0);
	CHECK(fstat(fd, &by_fd) == 0 && stat(name, &by_path) == 0 && stat(link, &by_link) == 0 && fstatat(fd, "", &by_at, AT_EMPTY_PATH) == 0);
	same(what, &by_fd, &by_path);
	same(what, &by_link, &by_path);
	same(what, &by_at, &by_path);
	CHECK(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0xfff, &x) == 0 && x.ino == by_path.st_ino && x.size == 0 && x.links == 1);
	CHECK(by_fd.st_size == 0 && by_fd.st_nlink == 1);
	CHECK(fstatfs(fd, &fs) == 0 && fs.f_type == 0x9fa0);
	long size = read_all(fd, content);
	CHECK(size > 0 && lseek(fd, 0, SEEK_CUR) == size && lseek(fd, 1, SEEK_SET) == 1 && pread(fd, content + size, 1, 3) == 1 && content[size] == content[3]);
	content[size] = 0;
	struct pollfd ready = { fd, POLLIN | POLLOUT, 0 };
	CHECK(poll(&ready, 1, 0) == 1 && ready.revents == (POLLIN | POLLOUT));
	int flags = fcntl(fd, F_GETFL);
	printf("%s: access %d nonblock %d close-on-exec %d", what, flags & O_ACCMODE, !!(flags & O_NONBLOCK), fcntl(fd, F_GETFD));
	void *at = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	printf(", mmap %d\n", at == MAP_FAILED ? errno : 0);
	// x86-64's words, in the test's own architecture's file.
	const char *foreign[] = { "anyarch-emu", "\n7000000", "x86_64", "GenuineIntel", "AuthenticAMD", " sse2 " };
	for (int i = 0; i < 6; i++)
#ifdef __x86_64__
		(void)foreign[i];
#else
		CHECK(!strstr(content, foreign[i]));
#endif
	CHECK(close(fd) == 0);
}

static int numbered(const char *directory, int fd, int flags)
{
	char path[64];
	sprintf(path, "%s/%d", directory, fd);
	return open(path, flags);
}

static void by_every_way(void)
{
	CHECK(symlink("/proc/cpuinfo", "link") == 0 && symlink("link", "link2") == 0 && symlink("/proc", "dir") == 0 && symlink("/proc/self/maps", "map") == 0);
	CHECK(symlink("/proc/self", "me") == 0 && symlink("/proc/self/exe", "program") == 0 && symlink("cwd/program", "program2") == 0 && symlink(".", "cwd") == 0);
	int proc = open("/proc", O_RDONLY | O_DIRECTORY), self = open("/proc/self", O_PATH);
	CHECK(proc >= 0 && self >= 0);
	const char *paths[] = { "/proc/cpuinfo", "//proc//self/../cpuinfo", "/proc/self/root/proc/cpuinfo", "link", "link2", "dir/cpuinfo", "/proc/self/maps",
				"/proc/thread-self/maps", "map", "me/maps", "/proc/self/status", "/proc/thread-self/status", "/proc/self/stat", "/proc/self/statm",
				"/proc/self/fdinfo/0", "/proc/sys/kernel/arch", "/proc/self/auxv", "/proc/self/smaps" };
	for (int i = 0; i < (int)(sizeof paths / sizeof *paths); i++) {
		// Often, since what is learnt from one open must not make the next one wrong.
		for (int n = 0; n < 3; n++)
			close(open(paths[i], O_RDONLY));
		check(paths[i], open(paths[i], O_RDONLY));
	}
	check("flags", open("link", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	check("no links", open("/proc/cpuinfo", O_RDONLY | O_NOFOLLOW));
	check("directory", open("/proc/cpuinfo", O_RDONLY | O_DIRECTORY));
	check("created", open("link", O_RDONLY | O_CREAT, 0600));
	check("at /proc", openat(proc, "cpuinfo", O_RDONLY));
	check("at /proc/self", openat(self, "maps", O_RDONLY));
	struct open_how how = { 0, 0, 0 };
	check("openat2", syscall(SYS_openat2, AT_FDCWD, "link", &how, sizeof how));
	how.resolve = RESOLVE_BENEATH;
	check("openat2 beneath", syscall(SYS_openat2, proc, "cpuinfo", &how, sizeof how));
	check("openat2 out", syscall(SYS_openat2, AT_FDCWD, "link", &how, sizeof how));
	how.resolve = RESOLVE_NO_XDEV;
	check("openat2 across", syscall(SYS_openat2, AT_FDCWD, "/proc/cpuinfo", &how, sizeof how));
	int path = open("link", O_PATH), again;
	check("by a descriptor of its path", numbered("/proc/self/fd", path, O_RDONLY));
	check("the same in /dev", numbered("/dev/fd", path, O_RDONLY));
	CHECK((again = dup2(open("/proc/self/maps", O_RDONLY), 0)) == 0);
	check("as /dev/stdin", open("/dev/stdin", O_RDONLY));
	CHECK(chdir("/proc/self") == 0);
	check("relative", open("maps", O_RDONLY));
	CHECK(chdir("fd") == 0);
	check("relative, a descriptor", numbered(".", path, O_RDONLY));
	CHECK(fchdir(open(getenv("PWD_OF_TEST"), O_PATH)) == 0);
}

static void programs(void)
{
	int want = elf_machine(open(getenv("TEST_SELF"), O_RDONLY)), path = open("/proc/self/exe", O_PATH);
	CHECK(elf_machine(open("/proc/self/exe", O_RDONLY)) == want);
	CHECK(elf_machine(open("program", O_RDONLY)) == want && elf_machine(open("program2", O_RDONLY)) == want && elf_machine(open("me/exe", O_RDONLY)) == want);
	CHECK(elf_machine(numbered("/proc/self/fd", path, O_RDONLY)) == want);
	struct stat self, st;
	struct statx_head x;
	CHECK(stat(getenv("TEST_SELF"), &self) == 0);
	const char *links[] = { "/proc/self/exe", "program", "program2", "me/exe" };
	for (int i = 0; i < 4; i++) {
		CHECK(stat(links[i], &st) == 0 && st.st_ino == self.st_ino && st.st_dev == self.st_dev && st.st_size == self.st_size);
		CHECK(syscall(SYS_statx, AT_FDCWD, links[i], 0, 0xfff, &x) == 0 && x.ino == self.st_ino && x.size == (uint64_t)self.st_size);
		char *arguments[] = { (char *)links[i], "again", 0 };
		int status;
		if (fork() == 0)
			execv(links[i], arguments), _exit(1);
		CHECK(wait(&status) > 0 && status == 0);
	}
	CHECK(lstat("program", &st) == 0 && S_ISLNK(st.st_mode));
}

// What a child finds that got the descriptor from this process.
static void inherited(void)
{
	int fd = open("/proc/cpuinfo", O_RDONLY), status;
	if (fork() == 0) {
		check("inherited", fd);
		fflush(stdout);
		_exit(0);
	}
	CHECK(wait(&status) > 0 && status == 0);
	// cp compares the file that it has opened with the one that it has found.
	CHECK(system("cp /proc/cpuinfo copy && cp /proc/self/maps copy2 && test -s copy && test -s copy2") == 0);
}

static void mounts(void)
{
	if (geteuid() != 0)
		CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK(unshare(CLONE_NEWNS) == 0 && mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	CHECK(mkdir("proc", 0700) == 0 && mount("/proc", "proc", 0, MS_BIND, 0) == 0);
	CHECK(read_all(open("/proc/cpuinfo", O_RDONLY), wanted) > 0);
	for (int i = 0; i < 3; i++) {
		CHECK(read_all(open("proc/cpuinfo", O_RDONLY), content) > 0 && strcmp(content, wanted) == 0);
		int one = open("proc/self/status", O_RDONLY);
		CHECK(read_all(one, content) > 0 && strstr(content, "SigCgt:\t0000000000000000"));
	}
	close(open("single", O_CREAT | O_WRONLY, 0600));
	CHECK(mount("/proc/cpuinfo", "single", 0, MS_BIND, 0) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(read_all(open("single", O_RDONLY), content) > 0 && strcmp(content, wanted) == 0);
}

int main(int count, char **arguments)
{
	if (count > 1)
		return strcmp(arguments[1], "again");
	char here[4096];
	CHECK(getcwd(here, sizeof here) && setenv("PWD_OF_TEST", here, 1) == 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	by_every_way();
	programs();
	inherited();
	// The kernel's name for the architecture is uname's.
	struct utsname uts;
	CHECK(uname(&uts) == 0 && read_all(open("/proc/sys/kernel/arch", O_RDONLY), content) > 0);
	CHECK(strncmp(content, uts.machine, strlen(uts.machine)) == 0 && content[strlen(uts.machine)] == '\n');
	mounts();
	return 0;
}
