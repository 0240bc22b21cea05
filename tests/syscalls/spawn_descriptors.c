// Descriptors around posix_spawn and vfork: any number may be taken in the child without effect on the parent, those that nobody opened are closed to all
// calls, and a program starts although all numbers are in use.
//@ host-flags: -static
#include "../check.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static const char *self;

// The exit status of this program as child, started with an action; `fd` is to be open there, or -1.
static int spawned(posix_spawn_file_actions_t *actions, int fd)
{
	char text[16];
	snprintf(text, sizeof text, "%d", fd);
	char *argv[] = { "name", text, NULL };
	pid_t pid;
	int status, error = posix_spawn(&pid, self, actions, NULL, argv, environ);
	if (error != 0)
		return 100 + error;
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void takes(int fd)
{
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, 1, fd);
	CHECK(spawned(&actions, fd) == 0);
	posix_spawn_file_actions_destroy(&actions);
}

static int send_fd(int socket, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = { { .cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	((int *)CMSG_DATA(&control.head))[0] = 1;
	((int *)CMSG_DATA(&control.head))[1] = fd;
	struct iovec io = { "x", 1 };
	struct mmsghdr message = { { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control } };
	int one = sendmsg(socket, &message.msg_hdr, 0), error = errno, many = sendmmsg(socket, &message, 1, 0);
	CHECK(one == many && (one == 1 || error == errno));
	errno = error;
	return one;
}

// Nothing has opened these numbers.
static void closed(int fd)
{
	struct stat st;
	struct statfs fs;
	int sockets[2];
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets) == 0);
	FAILS(fstat(fd, &st), EBADF);
	FAILS(fstatat(fd, "", &st, AT_EMPTY_PATH), EBADF);
	FAILS(fstatat(fd, "x", &st, 0), EBADF);
	FAILS(fstatfs(fd, &fs), EBADF);
	FAILS(dup(fd), EBADF);
	FAILS(dup2(fd, 90), EBADF);
	FAILS(fcntl(fd, F_DUPFD, 0), EBADF);
	FAILS(fcntl(fd, F_GETFD), EBADF);
	FAILS(fchdir(fd), EBADF);
	FAILS(openat(fd, "x", O_RDONLY), EBADF);
	FAILS(mkdirat(fd, "x", 0700), EBADF);
	FAILS(close(fd), EBADF);
	FAILS(read(fd, &st, 1), EBADF);
	FAILS(send_fd(sockets[0], fd), EBADF);
	CHECK(send_fd(sockets[0], 0) == 1);
	struct pollfd poll_fd = { fd, POLLIN, 0 };
	CHECK(poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == POLLNVAL);
	close(sockets[0]), close(sockets[1]);
}

static void *nothing;

static int unshares(void *unused)
{
	(void)unused;
	CHECK(unshare(CLONE_FILES) == 0);
	for (int fd = 190; fd < 260; fd++)
		CHECK(dup2(1, fd) == fd);
	CHECK(spawned(nothing, 200) == 0);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		int fd = atoi(argv[1]);
		if (fd >= 0)
			CHECK(fcntl(fd, F_GETFD) == 0);
		for (int other = 100; other < 300 && fd != -2; other++)
			if (other < 190 || other >= 260 || fd < 0)
				CHECK(other == fd || fcntl(other, F_GETFD) == -1);
		return 0;
	}
	self = getenv("TEST_SELF");
	CHECK(self);
	syscall(SYS_close_range, 3, ~0u, 0);
	for (int fd = 190; fd < 260; fd++)
		closed(fd);
	for (int fd = 198; fd < 203; fd++) {
		takes(fd);
		CHECK(spawned(NULL, -1) == 0);
	}
	for (int fd = 190; fd < 260; fd++)
		closed(fd);
	// A table of descriptors of its own for a child that shares memory.
	static char stack[1 << 16] __attribute__((aligned(16)));
	pid_t pid = clone(unshares, stack + sizeof stack, CLONE_VM | CLONE_FILES | SIGCHLD, NULL);
	int status;
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(spawned(NULL, -1) == 0);
	pid = vfork();
	if (pid == 0) {
		syscall(SYS_close_range, 3, ~0u, 0);
		execl(self, "name", "-1", NULL);
		_exit(1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	// The last numbers below the limit are taken while lower ones are free.
	for (int last = 200; last <= 230; last += 15) {
		pid = fork();
		if (pid == 0) {
			struct stat st;
			struct rlimit limit = { last + 1, last + 1 };
			CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
			for (int fd = 150; fd <= last; fd++)
				CHECK(dup2(1, fd) == fd);
			for (int fd = 150; fd <= last; fd++)
				CHECK(fstat(fd, &st) == 0 && write(fd, "", 0) == 0);
			CHECK(spawned(NULL, -2) == 0);
			CHECK(close(last) == 0);
			closed(last);
			CHECK(dup2(1, last) == last && spawned(NULL, -2) == 0);
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
	// All in use, up to the soft limit, and up to the hard one.
	struct rlimit limit;
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (int hard = 0; hard < 2; hard++) {
		limit.rlim_cur = hard ? 400 : 32;
		if (hard)
			limit.rlim_max = 400;
		CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
		while (dup(0) >= 0)
			;
		CHECK(errno == EMFILE);
		// (musl's posix_spawn wants a pipe.)
		pid = vfork();
		if (pid == 0) {
			execl(self, "name", "-2", NULL);
			_exit(errno);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		struct rlimit now;
		CHECK(getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur == limit.rlim_cur && now.rlim_max == limit.rlim_max);
		CHECK(fcntl(limit.rlim_cur - 1, F_GETFD) == 0);
		FAILS(dup(0), EMFILE);
		FAILS(fcntl(limit.rlim_cur, F_GETFD), EBADF);
	}
	puts("done");
	return 0;
}
