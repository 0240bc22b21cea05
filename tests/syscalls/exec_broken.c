// execve of ELF files that are broken: which errno the caller gets, and what ends the new program where that is found too late for one.
// The file's path comes first in an errno that has several reasons; execvp goes on after one that is missing its loader.
//@ not-arm: the files that it writes have the headers of 64-bit programs
#include "../check.h"
#include <elf.h>
#include <fcntl.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define PAGE 4096
// A file: headers, the loader's name, nothing that could run.
static struct file {
	Elf64_Ehdr e;
	Elf64_Phdr load, interp, data;
	char name[PAGE - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr)];
	char second[PAGE];
} good, f;
static size_t size;

static void save(const char *name, const void *bytes, size_t length, int mode)
{
	unlink(name);
	int fd = open(name, O_CREAT | O_WRONLY | O_EXCL, 0755);
	CHECK(fd >= 0 && write(fd, bytes, length) == (ssize_t)length && fchmod(fd, mode) == 0 && close(fd) == 0);
}

static void started(const char *what, const char *path)
{
	char *argv[] = { "name", "child", NULL };
	pid_t pid;
	int status = 0, error = posix_spawn(&pid, path, NULL, NULL, argv, environ);
	if (error == 0) {
		CHECK(waitpid(pid, &status, 0) == pid);
		if (WIFEXITED(status))
			printf("%s: exit %d\n", what, WEXITSTATUS(status));
		else
			printf("%s: signal %d\n", what, WTERMSIG(status));
	} else
		printf("%s: errno %d\n", what, error);
	fflush(stdout);
}

#define TRY(what, ...)                        \
	do {                                  \
		f = good;                     \
		size = sizeof f;              \
		__VA_ARGS__;                  \
		save("broken", &f, size, 0755); \
		started(what, "./broken");    \
	} while (0)

static void loader(const char *name)
{
	strcpy(f.name, name);
	f.interp.p_filesz = strlen(name) + 1;
}

static void without_loader(void)
{
	f.interp.p_type = PT_NULL;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "child") == 0) {
		printf("runs\n");
		return 7;
	}
	const char *self = getenv("TEST_SELF");
	CHECK(self);
	int fd = open(self, O_RDONLY);
	CHECK(fd >= 0 && read(fd, &good.e, sizeof good.e) == sizeof good.e && close(fd) == 0);
	good.e.e_type = ET_DYN;
	good.e.e_phoff = offsetof(struct file, load);
	good.e.e_phnum = 3;
	good.e.e_entry = 8;
	good.load = (Elf64_Phdr){ PT_LOAD, PF_R | PF_X, 0, 0, 0, PAGE, PAGE, PAGE };
	good.interp = (Elf64_Phdr){ PT_INTERP, PF_R, offsetof(struct file, name), 0, 0, 0, 0, 1 };
	good.data = (Elf64_Phdr){ PT_LOAD, PF_R | PF_W, PAGE, PAGE, PAGE, 100, 200, PAGE };
	strcpy(good.name, self);
	good.interp.p_filesz = strlen(self) + 1;

	// The file itself.
	TRY("type", f.e.e_type = ET_REL);
	TRY("size of program headers", f.e.e_phentsize = 8);
	TRY("no program headers", f.e.e_phnum = 0);
	TRY("too many program headers", f.e.e_phnum = 2000);
	TRY("program headers behind the end", f.e.e_phoff = 1 << 20);
	TRY("program headers nowhere", f.e.e_phoff = -8);
	TRY("cut in the program headers", size = 100);
	TRY("cut in the header", size = 40);
	TRY("cut behind the magic number", size = 4);
	TRY("cut in the magic number", size = 3);
	TRY("empty", size = 0);
	// Its loader.
	TRY("loader is missing", loader("/nonexistent/loader.so"));
	TRY("loader is in a file", loader("/etc/passwd/loader.so"));
	TRY("loader is a directory", loader("/tmp"));
	TRY("loader is a device", loader("/dev/null"));
	save("text", "This is text, long enough to be read as a header by a kernel that would like one.\n", 81, 0755);
	TRY("loader is text", loader("./text"));
	save("short", "\x7f" "ELF", 4, 0755);
	TRY("loader is short", loader("./short"));
	save("plain", &good, sizeof good, 0644);
	TRY("loader is not executable", loader("./plain"));
	struct file l = good;
	l.e.e_machine = EM_VAX;
	save("foreign", &l, sizeof l, 0755);
	TRY("loader of another machine", loader("./foreign"));
	l = good;
	l.e.e_phentsize = 8;
	save("headers", &l, sizeof l, 0755);
	TRY("loader's program headers", loader("./headers"));
	l = good;
	save("cut", &l, 100, 0755);
	TRY("loader is cut in its program headers", loader("./cut"));
	TRY("loader without a name", loader(""));
	TRY("loader's name without end", f.interp.p_filesz -= 1);
	TRY("loader's name too long", f.interp.p_filesz = PAGE + 1);
	TRY("loader's name behind the end", f.interp.p_offset = 1 << 20);
	TRY("loader's name nowhere", f.interp.p_offset = -PAGE);
	TRY("first loader is missing, second is not", f.data = f.interp, loader("/nonexistent/loader.so"), f.data.p_offset = offsetof(struct file, second), strcpy(f.second, self));
	symlink("nowhere", "dangling");
	TRY("loader is a dangling link", loader("./dangling"));
	symlink("around", "around");
	TRY("loader is a link to itself", loader("./around"));
	// Too late for an errno.
	TRY("loader's type", l = good, l.e.e_type = ET_REL, save("relocatable", &l, sizeof l, 0755), loader("./relocatable"));
	TRY("segment larger in the file", without_loader(), f.data.p_memsz = 50);
	TRY("segment beyond user space", without_loader(), f.data.p_vaddr = 1ull << 60);
	TRY("segment too large", without_loader(), f.data.p_memsz = 1ull << 60);
	TRY("segment not congruent", without_loader(), f.data.p_vaddr += 8);
	TRY("segment to be cleared behind the end", without_loader(), size = PAGE);
	TRY("program behind the end", without_loader(), f.data.p_type = PT_NULL, f.load.p_filesz = f.load.p_memsz = 4 * PAGE, f.e.e_entry = 3 * PAGE + 8);
	TRY("nothing to load", without_loader(), f.load.p_type = f.data.p_type = PT_NULL);
	// Reasons that come before.
	f = good;
	loader("/nonexistent/loader.so");
	save("broken", &f, sizeof f, 0644);
	started("not executable, loader is missing", "./broken");
	save("broken", &f, sizeof f, 0755);
	int writer = open("broken", O_WRONLY);
	started("being written, loader is missing", "./broken");
	CHECK(close(writer) == 0);
	char *bad[] = { (char *)8, NULL };
	FAILS(execve("./broken", bad, environ), EFAULT);
	char **volatile nowhere = (char **)8;
	FAILS(execve("./broken", nowhere, environ), EFAULT);
	CHECK(symlink("broken", "link") == 0);
	char *args[] = { "name", "child", NULL };
	FAILS(execve("./link", args, environ), ENOENT);
	FAILS(syscall(SYS_execveat, AT_FDCWD, "./link", args, environ, AT_SYMLINK_NOFOLLOW), ELOOP);
	FAILS(syscall(SYS_execveat, AT_FDCWD, "./broken", args, environ, 0x8000), EINVAL);
	fd = open("broken", O_RDONLY | O_CLOEXEC);
	FAILS(syscall(SYS_execveat, fd, "", args, environ, AT_EMPTY_PATH), ENOENT);
	close(fd);
	fd = open("broken", O_PATH);
	FAILS(syscall(SYS_execveat, fd, "", args, environ, AT_EMPTY_PATH), ENOENT);
	close(fd);
	// A script's interpreter.
	save("script", "#!./broken argument\n", 20, 0755);
	started("script", "./script");
	CHECK(mkfifo("pipe", 0755) == 0);
	started("pipe", "./pipe");
	started("directory", "/tmp");
	// execvp goes on to the next folder where a program is missing, or its loader.
	CHECK(mkdir("first", 0755) == 0 && mkdir("second", 0755) == 0);
	save("first/wanted", &f, sizeof f, 0755);
	CHECK(symlink(self, "second/wanted") == 0);
	setenv("PATH", "first:second", 1);
	pid_t pid = fork();
	if (pid == 0) {
		execvp("wanted", args);
		_exit(errno);
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	printf("execvp: %d\n", WEXITSTATUS(status));
	return 0;
}
