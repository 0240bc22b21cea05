// poll, ppoll, select, pselect: results, time limits, and masks for the wait only.
#include "../check.h"
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int caught;
static void handler(int signo)
{
	caught = signo;
}

int main(void)
{
	int p[2];
	CHECK(pipe(p) == 0);
	struct pollfd f[3] = {{p[0], POLLIN, 9}, {p[1], POLLOUT, 9}, {-1, POLLIN, 9}};
	CHECK(poll(f, 3, 0) == 1 && f[0].revents == 0 && f[1].revents == POLLOUT && f[2].revents == 0);
	CHECK(write(p[1], "x", 1) == 1 && poll(f, 3, -1) == 2 && f[0].revents == POLLIN);
	f[2].fd = 99;
	CHECK(poll(f, 3, 0) == 3 && f[2].revents == POLLNVAL);
	FAILS(poll((void *)8, 1, 0), EFAULT);
	fd_set in, out, ex;
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&ex);
	FD_SET(p[0], &in);
	FD_SET(p[1], &out);
	struct timeval tv = {5, 0};
	CHECK(select(p[1] + 1, &in, &out, &ex, &tv) == 2 && FD_ISSET(p[0], &in) && FD_ISSET(p[1], &out));
	char c;
	CHECK(read(p[0], &c, 1) == 1);
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	tv = (struct timeval){0, 2000};
	CHECK(select(p[0] + 1, &in, NULL, NULL, &tv) == 0 && !FD_ISSET(p[0], &in));
	struct timespec ts = {0, 1000000};
	FD_SET(p[0], &in);
	CHECK(pselect(p[0] + 1, &in, NULL, NULL, &ts, NULL) == 0);
	FAILS(pselect(-1, NULL, NULL, NULL, &ts, NULL), EINVAL);
	FD_SET(20, &in);
	FAILS(select(21, &in, NULL, NULL, &tv), EBADF);

	sigset_t block, none, old;
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	signal(SIGUSR1, handler);
	signal(SIGALRM, handler);
	CHECK(sigprocmask(SIG_BLOCK, &block, NULL) == 0);
	raise(SIGUSR1);
	CHECK(caught == 0);
	ts.tv_sec = 10;
	FAILS(ppoll(f, 1, &ts, &none), EINTR);
	CHECK(caught == SIGUSR1);
	caught = 0;
	raise(SIGUSR1);
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	FAILS(pselect(p[0] + 1, &in, NULL, NULL, &ts, &none), EINTR);
	CHECK(caught == SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &old) == 0 && sigismember(&old, SIGUSR1));
	// Not interrupted by what the mask blocks.
	caught = 0;
	raise(SIGUSR1);
	ts = (struct timespec){0, 5000000};
	CHECK(ppoll(f, 1, &ts, &block) == 0 && caught == 0);
	CHECK(pselect(0, NULL, NULL, NULL, &ts, &block) == 0 && caught == 0);
	// The wait without a mask is interrupted by a timer even with SA_RESTART.
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	struct itimerval soon = {.it_value = {0, 10000}};
	CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	FAILS(poll(NULL, 0, 10000), EINTR);
	CHECK(caught == SIGALRM);
	FAILS(syscall(SYS_ppoll, f, 1, NULL, &none, 7), EINVAL);
	FAILS(syscall(SYS_ppoll, f, 1, NULL, 8, 8), EFAULT);
	puts("done");
	return 0;
}
