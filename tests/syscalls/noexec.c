// What may be executed: files on a mount without execution, sealed memory files, and a personality
// that makes executable what is readable.
#include "../child.h"
#include "../namespace.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8
#endif
enum { PAGE = 4096, R = PROT_READ, W = PROT_WRITE, X = PROT_EXEC };

static const char *outcome(int failed) { return failed ? strerror(errno) : "allowed"; }
static void *map(int fd, int prot, int flags) { return mmap(0, PAGE, prot, flags, fd, 0); }

static void file(const char *what, int fd)
{
	CHECK(fd >= 0);
	int prots[] = { X, R | X, R | W | X }, types[] = { MAP_PRIVATE, MAP_SHARED };
	for (int t = 0; t < 2; t++) {
		for (int i = 0; i < 3; i++)
			printf("%s: type %d prot %d: mmap %s\n", what, t, prots[i], outcome(map(fd, prots[i], types[t]) == MAP_FAILED));
		char *at = map(fd, R, types[t]);
		CHECK(at != MAP_FAILED);
		printf("%s: type %d: mprotect to execute %s, to write %s\n", what, t, outcome(mprotect(at, PAGE, R | X)), outcome(mprotect(at, PAGE, R | W)));
		// What it was mapped from goes along when it moves, and goes away with the mapping.
		char *to = mmap(0, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE) == to + PAGE);
		printf("%s: type %d: moved %s, with its neighbours %s, the one before it %s\n", what, t, outcome(mprotect(to + PAGE, PAGE, X)),
		       outcome(mprotect(to, 3 * PAGE, X)), outcome(mprotect(to, PAGE, X)));
		CHECK(mmap(to + PAGE, PAGE, R, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == to + PAGE);
		printf("%s: type %d: replaced %s\n", what, t, outcome(mprotect(to, 3 * PAGE, R | X)));
		CHECK(munmap(to, 3 * PAGE) == 0);
	}
}

static int executable(const void *at)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from, to;
	char prot[5];
	while (fscanf(maps, "%lx-%lx %4s%*[^\n]", &from, &to, prot) == 3)
		if ((unsigned long)at >= from && (unsigned long)at < to)
			return fclose(maps), prot[2] == 'x';
	return fclose(maps), -1;
}

static void implied(int fd, int noexec)
{
	int old = personality(0xffffffff);
	CHECK(old >= 0 && personality(old | READ_IMPLIES_EXEC) == old && personality(0xffffffff) == (old | READ_IMPLIES_EXEC));
	void *anonymous = map(-1, R, MAP_PRIVATE | MAP_ANONYMOUS), *none = map(-1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
	void *plain = map(fd, R, MAP_PRIVATE), *other = map(noexec, R, MAP_PRIVATE);
	CHECK(anonymous != MAP_FAILED && none != MAP_FAILED && plain != MAP_FAILED && other != MAP_FAILED);
	printf("implied: %d %d %d %d\n", executable(anonymous), executable(none), executable(plain), executable(other));
	CHECK(mprotect(none, PAGE, R) == 0 && mprotect(plain, PAGE, R | W) == 0 && mprotect(other, PAGE, R | W) == 0);
	printf("implied by mprotect: %d %d %d\n", executable(none), executable(plain), executable(other));
	CHECK(personality(old) == (old | READ_IMPLIES_EXEC));
	CHECK(mprotect(none, PAGE, R) == 0);
	printf("no more: %d\n", executable(none));
}

int main(void)
{
	char *self = getenv("TEST_SELF"), *none[] = { 0 };
	CHECK(self);
	// Without root's rights in a user namespace; where there is none either, the test fails.
	if (geteuid() != 0)
		CHECK(unshare_user(0) == 0);
	CHECK(unshare(CLONE_NEWNS) == 0 && mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) == 0 && mkdir("m", 0700) == 0 && mkdir("n", 0700) == 0);
	CHECK(mount("none", "m", "tmpfs", 0, 0) == 0 && mount("none", "n", "tmpfs", MS_NOEXEC, 0) == 0);
	int plain = open("m/f", O_RDWR | O_CREAT, 0755), noexec = open("n/f", O_RDWR | O_CREAT, 0755);
	CHECK(plain >= 0 && noexec >= 0 && ftruncate(plain, PAGE) == 0 && ftruncate(noexec, PAGE) == 0);
	file("plain", plain);
	file("noexec", noexec);
	int sealed = memfd_create("sealed", MFD_NOEXEC_SEAL), open_one = memfd_create("open", 0);
	CHECK(sealed >= 0 && ftruncate(sealed, PAGE) == 0 && open_one >= 0 && ftruncate(open_one, PAGE) == 0);
	file("memfd", open_one);
	file("sealed memfd", sealed);
	FAILS(fchmod(sealed, 0755), EPERM);
	FAILS(fexecve(sealed, none, none), EACCES);
	// A program there is not started; one elsewhere is.
	char command[500];
	snprintf(command, sizeof command, "cp '%s' n/program && cp '%s' m/program", self, self);
	CHECK(system(command) == 0);
	FAILS(execv("n/program", none), EACCES);
	int fd = open("n/program", O_RDONLY | O_CLOEXEC);
	FAILS(fexecve(fd, none, none), EACCES);
	CHECK(mmap(0, PAGE, R | X, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EPERM);
	implied(plain, noexec);
	return 0;
}
