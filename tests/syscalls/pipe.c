// Pipes: what is written comes out, in order, and ends with the last writer.
#include "../check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void)
{
	int fd[2];
	char buffer[100];
	CHECK(pipe2(fd, O_CLOEXEC | O_NONBLOCK) == 0);
	FAILS(read(fd[0], buffer, 1), EAGAIN);
	CHECK(write(fd[1], "hello", 5) == 5);
	int ready;
	CHECK(ioctl(fd[0], FIONREAD, &ready) == 0 && ready == 5);
	CHECK(read(fd[0], buffer, 100) == 5 && memcmp(buffer, "hello", 5) == 0);
	CHECK(fcntl(fd[0], F_GETFD) == FD_CLOEXEC);
	CHECK(fcntl(fd[0], F_GETFL) == O_NONBLOCK);
	FAILS(write(fd[1], (void *)8, 4), EFAULT);
	close(fd[1]);
	CHECK(read(fd[0], buffer, 1) == 0);
	signal(SIGPIPE, SIG_IGN);
	CHECK(pipe(fd) == 0);
	close(fd[0]);
	FAILS(write(fd[1], "x", 1), EPIPE);
	FAILS(pipe((int *)8), EFAULT);
	puts("done");
	return 0;
}
