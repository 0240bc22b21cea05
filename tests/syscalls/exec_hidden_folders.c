// Programs executed through descriptors where neither /proc nor /dev shows anything, and through descriptors that the exec closes.
#include "../check.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *argv_of_child[] = { "name", "child", NULL, NULL };
static char *environment[] = { "VARIABLE=value", NULL };

// Executes what `dir` and `path` name, in a child; tells its exit status, or 100 + errno if that failed.
static int run(int dir, const char *path, int flags, const char *open_then)
{
	fflush(stdout);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		char text[16];
		// The descriptor that the child must find open (or closed).
		snprintf(text, sizeof text, "%s%d", open_then, dir);
		argv_of_child[2] = text;
		syscall(SYS_execveat, dir, path, argv_of_child, environment, flags);
		_exit(100 + errno);
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void all(const char *folder, const char *self, const char *base)
{
	for (int closes = 0; closes < 2; closes++) {
		const char *then = closes ? "closed" : "open";
		int flags = O_RDONLY | (closes ? O_CLOEXEC : 0), fd = open(self, flags);
		CHECK(fd >= 0 && run(fd, "", AT_EMPTY_PATH, then) == 7 && run(fd, "", 0, then) == 100 + ENOENT);
		CHECK(fcntl(fd, F_GETFD) == (closes ? FD_CLOEXEC : 0) && close(fd) == 0);
		fd = open(folder, flags | O_DIRECTORY);
		CHECK(fd >= 0 && run(fd, base, 0, then) == 7 && run(fd, "missing", 0, then) == 100 + ENOENT && close(fd) == 0);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		int open = strncmp(argv[2], "open", 4) == 0, fd = atoi(argv[2] + (open ? 4 : 6));
		CHECK((fcntl(fd, F_GETFD) >= 0) == open && strcmp(getenv("VARIABLE"), "value") == 0);
		extern char **environ;
		CHECK(environ[1] == NULL);
		for (int other = 3; other < 100; other++)
			CHECK(other == fd || fcntl(other, F_GETFD) < 0);
		return 7;
	}
	syscall(SYS_close_range, 3, ~0u, 0);
	const char *self = getenv("TEST_SELF");
	CHECK(self);
	char folder[4096];
	strcpy(folder, self);
	char *slash = strrchr(folder, '/');
	*slash = 0;
	all(folder, self, slash + 1);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
		printf("unshare: %d\n", errno);
		return 0;
	}
	const char *hidden[] = { "/dev", "/proc" };
	for (int i = 0; i < 2; i++) {
		CHECK(mount("none", hidden[i], "tmpfs", 0, NULL) == 0);
		all(folder, self, slash + 1);
	}
	puts("done");
	return 0;
}
