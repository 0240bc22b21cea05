// fcntl: locks, owners, pipe sizes, seals; flock.
#include "../check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int lock(int fd, int command, int type, off_t start, off_t len, struct flock *out)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
	int result = fcntl(fd, command, &l);
	if (out)
		*out = l;
	return result;
}

int main(void)
{
	int fd = open("a", O_RDWR | O_CREAT, 0600), other = open("a", O_RDWR);
	struct flock l;
	CHECK(lock(fd, F_SETLK, F_WRLCK, 10, 20, NULL) == 0);
	CHECK(lock(fd, F_SETLK, F_RDLCK, 1ll << 40, 0, NULL) == 0);
	int turn[2];
	CHECK(pipe(turn) == 0);
	pid_t child = fork();
	if (child == 0) {
		CHECK(lock(fd, F_GETLK, F_WRLCK, 0, 100, &l) == 0);
		CHECK(l.l_type == F_WRLCK && l.l_start == 10 && l.l_len == 20 && l.l_pid == getppid());
		FAILS(lock(fd, F_SETLK, F_RDLCK, 15, 1, NULL), EAGAIN);
		CHECK(lock(fd, F_SETLK, F_RDLCK, 30, 5, NULL) == 0);
		CHECK(lock(fd, F_GETLK, F_WRLCK, 1ll << 41, 5, &l) == 0 && l.l_type == F_RDLCK && l.l_start == 1ll << 40 && l.l_len == 0);
		CHECK(write(turn[1], "x", 1) == 1);
		// Waits until the parent lets go.
		CHECK(lock(fd, F_SETLKW, F_WRLCK, 10, 1, NULL) == 0);
		_exit(7);
	}
	char c;
	CHECK(read(turn[0], &c, 1) == 1);
	usleep(20000);
	CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 0, NULL) == 0);
	int status;
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);

	CHECK(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10, NULL) == 0);
	FAILS(lock(other, F_OFD_SETLK, F_WRLCK, 5, 1, NULL), EAGAIN);
	CHECK(lock(other, F_OFD_GETLK, F_RDLCK, 5, 1, &l) == 0 && l.l_type == F_WRLCK && l.l_pid == -1);
	FAILS(lock(fd, F_SETLK, 55, 0, 1, NULL), EINVAL);
	FAILS(fcntl(fd, F_SETLK, (void *)8), EFAULT);

	CHECK(flock(fd, LOCK_EX | LOCK_NB) == 0);
	FAILS(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK(flock(fd, LOCK_UN) == 0 && flock(other, LOCK_SH) == 0);

	CHECK(fcntl(turn[0], F_SETOWN, getpid()) == 0 && fcntl(turn[0], F_GETOWN) == getpid());
	CHECK(fcntl(turn[0], F_SETOWN, -getpgrp()) == 0 && fcntl(turn[0], F_GETOWN) == -getpgrp());
	struct f_owner_ex ex = {F_OWNER_PID, getpid()}, got;
	CHECK(fcntl(turn[0], F_SETOWN_EX, &ex) == 0 && fcntl(turn[0], F_GETOWN_EX, &got) == 0 && got.type == F_OWNER_PID && got.pid == getpid());
	CHECK(fcntl(turn[0], F_SETSIG, SIGUSR1) == 0 && fcntl(turn[0], F_GETSIG) == SIGUSR1);
	CHECK(fcntl(turn[0], F_SETPIPE_SZ, 65536 * 2) == 65536 * 2 && fcntl(turn[0], F_GETPIPE_SZ) == 65536 * 2);
	CHECK(fcntl(fd, F_DUPFD, 50) == 50 && fcntl(fd, F_DUPFD_CLOEXEC, 50) == 51 && fcntl(51, F_GETFD) == FD_CLOEXEC);
	CHECK(fcntl(51, F_SETFD, 0) == 0 && fcntl(51, F_GETFD) == 0);
	FAILS(fcntl(52, F_GETFD), EBADF);
	FAILS(fcntl(fd, 9999), EINVAL);

	int mem = memfd_create("sealed", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	CHECK(mem >= 0 && ftruncate(mem, 4096) == 0 && fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE) == 0);
	CHECK(fcntl(mem, F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_WRITE));
	FAILS(write(mem, "x", 1), EPERM);
	FAILS(ftruncate(mem, 1), EPERM);
	CHECK(ftruncate(mem, 8192) == 0);
	FAILS(fcntl(fd, F_GET_SEALS), EINVAL);
	puts("done");
	return 0;
}
