// What is asked of a link itself is answered for the link: /proc/self/exe with O_NOFOLLOW and
// AT_SYMLINK_NOFOLLOW, a descriptor of it, and links of a program's own that lead into /proc, opened
// with O_EXCL.
#include "../check.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void is_of_the_guest(int flags)
{
	static char text[1 << 16];
	int fd = open("link", flags);
	CHECK(fd >= 0);
	ssize_t n, len = 0;
	while ((n = read(fd, text + len, sizeof text - 1 - len)) > 0)
		len += n;
	CHECK(n == 0 && close(fd) == 0);
	// The emulator lies there.
	CHECK(len > 0 && strstr(text, "\n70000") == NULL);
}

int main(int argc, char **argv)
{
	char mine[4096], linked[4096], *args[] = { "name", "started", NULL };
	CHECK(argc == 1);
	CHECK(realpath(getenv("TEST_SELF"), mine));
	CHECK(symlink("/proc/self/maps", "link") == 0);
	is_of_the_guest(O_RDONLY);
	is_of_the_guest(O_RDONLY | O_EXCL);
	CHECK(open("link", O_RDONLY | O_EXCL | O_CREAT, 0600) == -1 && errno == EEXIST);

	CHECK(open("/proc/self/exe", O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP);
	int fd = open("/proc/self/exe", O_PATH | O_NOFOLLOW);
	struct stat st;
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode));
	ssize_t n = readlinkat(fd, "", linked, sizeof linked - 1);
	CHECK(n > 0);
	linked[n] = 0;
	CHECK(strcmp(linked, mine) == 0);
	CHECK(syscall(SYS_execveat, AT_FDCWD, "/proc/self/exe", args, NULL, AT_SYMLINK_NOFOLLOW) == -1 && errno == ELOOP);
	puts("done");
}
