// Names: directories, links, renames, the current directory.
#include "../check.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
	DIR *dir = opendir(path);
	CHECK(dir);
	char *names[3000];
	int n = 0;
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_name[0] != '.')
			asprintf(&names[n++], "%s(%d)", e->d_name, e->d_type);
	closedir(dir);
	qsort(names, n, sizeof *names, compare);
	printf("%s: %d:", path, n);
	for (int i = 0; i < n && i < 12; i++)
		printf(" %s", names[i]);
	puts("");
}

int main(void)
{
	char start[PATH_MAX], now[PATH_MAX], text[PATH_MAX];
	CHECK(getcwd(start, sizeof start));
	CHECK(mkdir("a", 0755) == 0 && mkdir("a/b", 0700) == 0);
	FAILS(mkdir("a", 0755), EEXIST);
	FAILS(mkdir("x/y", 0755), ENOENT);
	FAILS(rmdir("a"), ENOTEMPTY);
	CHECK(chdir("a/b") == 0 && getcwd(now, sizeof now) && strncmp(now, start, strlen(start)) == 0 && strcmp(now + strlen(start), "/a/b") == 0);
	FAILS(syscall(SYS_getcwd, now, 2), ERANGE);
	int up = open("../..", O_PATH | O_DIRECTORY);
	CHECK(fchdir(up) == 0);
	FAILS(chdir("none"), ENOENT);

	CHECK(mknod("fifo", S_IFIFO | 0600, 0) == 0 && symlink("a/b", "s") == 0);
	close(open("file", O_CREAT | O_WRONLY, 0600));
	CHECK(link("file", "hard") == 0 && linkat(up, "s", up, "hard-s", 0) == 0);
	list(".");
	FAILS(link("file", "hard"), EEXIST);
	CHECK(readlink("s", text, sizeof text) == 3 && memcmp(text, "a/b", 3) == 0);
	CHECK(readlink("s", text, 1) == 1 && readlinkat(up, "s", text, 3) == 3);
	FAILS(readlink("file", text, 10), EINVAL);
	FAILS(syscall(SYS_readlinkat, AT_FDCWD, "s", text, 0), EINVAL);
	FAILS(readlink("none", text, 10), ENOENT);
	FAILS(readlink("s", (char *)8, 10), EFAULT);

	CHECK(rename("file", "moved") == 0);
	FAILS(rename("file", "moved"), ENOENT);
	CHECK(mkdir("empty", 0755) == 0 && renameat(up, "a", up, "empty") == 0);
	CHECK(syscall(SYS_renameat2, up, "moved", up, "empty", 2 /* RENAME_EXCHANGE */) == 0);
	FAILS(syscall(SYS_renameat2, up, "moved", up, "empty", 1 /* RENAME_NOREPLACE */), EEXIST);
	FAILS(syscall(SYS_renameat2, up, "moved", up, "empty", 3), EINVAL);
	list(".");
	list("moved");
	CHECK(unlinkat(up, "moved/b", AT_REMOVEDIR) == 0 && rmdir("moved") == 0 && unlink("empty") == 0);
	FAILS(unlink("empty"), ENOENT);
	FAILS(unlinkat(up, "s", 0x8000), EINVAL);

	// More entries than one buffer holds, with seeking.
	CHECK(mkdir("many", 0755) == 0 && chdir("many") == 0);
	for (int i = 0; i < 2500; i++) {
		sprintf(text, "a-rather-long-name-of-an-entry-%04d", i);
		close(open(text, O_CREAT | O_WRONLY, 0600));
	}
	list(".");
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	char buffer[300];
	int n, entries = 0;
	while ((n = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0)
		for (char *p = buffer; p < buffer + n; p += *(unsigned short *)(p + 16))
			entries++;
	CHECK(n == 0 && entries == 2502);
	CHECK(lseek(fd, 0, SEEK_SET) == 0 && syscall(SYS_getdents64, fd, buffer, sizeof buffer) > 0);
	FAILS(syscall(SYS_getdents64, fd, buffer, 3), EINVAL);
	FAILS(syscall(SYS_getdents64, fd, 8, 300), EFAULT);
	char longer[5000];
	memset(longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	FAILS(open(longer, O_RDONLY), ENAMETOOLONG);
	FAILS(access(longer + 4000, F_OK), ENAMETOOLONG);
	CHECK(realpath(".", now) && strcmp(now + strlen(start), "/many") == 0);
	puts("done");
	return 0;
}
