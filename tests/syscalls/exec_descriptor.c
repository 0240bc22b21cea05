// Programs executed through descriptors: those that the exec closes, memory files, directories; scripts, which cannot be reached then.
//@ glibc: musl has no execveat
#include "../check.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Executes what `dir` and `path` name, in a child; tells its exit status, or 100 + errno if that failed.
static int run(int dir, const char *path, int flags) {
	fflush(stdout);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		char *argv[] = {"name", "child", NULL}, *envp[] = {"VARIABLE=value", NULL};
		execveat(dir, path, argv, envp, flags);
		_exit(100 + errno);
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

int main(int argc, char **argv) {
	if (argc > 1) {
		printf("%s %s %s\n", argv[0], argv[1], getenv("VARIABLE"));
		for (int fd = 3; fd < 100; fd++)
			if (fcntl(fd, F_GETFD) != -1)
				printf("open: %d\n", fd);
		fflush(stdout);
		return 7;
	}
	close_range(3, ~0u, 0);
	const char *self = getenv("TEST_SELF");
	CHECK(self);
	int fd = open(self, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(run(fd, "", AT_EMPTY_PATH) == 7);
	int path = open(self, O_PATH | O_CLOEXEC);
	CHECK(run(path, "", AT_EMPTY_PATH) == 7);

	int memory = memfd_create("program", MFD_CLOEXEC);
	struct stat st;
	CHECK(memory >= 0 && fstat(fd, &st) == 0);
	for (off_t done = 0; done < st.st_size;) {
		char buffer[65536];
		ssize_t n = pread(fd, buffer, sizeof buffer, done);
		CHECK(n > 0 && write(memory, buffer, n) == n);
		done += n;
	}
	char name[64];
	snprintf(name, sizeof name, "/proc/self/fd/%d", memory);
	int readonly = open(name, O_RDONLY | O_CLOEXEC);
	CHECK(readonly >= 0 && close(memory) == 0);
	CHECK(run(readonly, "", AT_EMPTY_PATH) == 7);

	char folder[4096];
	strcpy(folder, self);
	char *slash = strrchr(folder, '/');
	*slash = 0;
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(dir >= 0);
	CHECK(run(dir, slash + 1, 0) == 7);
	CHECK(run(dir, "no such program", 0) == 100 + ENOENT);

	int script = open("script", O_CREAT | O_WRONLY, 0755);
	CHECK(write(script, "#!/bin/sh\nexit 9\n", 17) == 17 && close(script) == 0);
	script = open("script", O_RDONLY | O_CLOEXEC);
	CHECK(run(script, "", AT_EMPTY_PATH) == 100 + ENOENT);
	puts("ok");
}
