// epoll: events keep their 64 bits of data; edge, one shot, masks, many at once.
#include "../check.h"
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int alarms;
static void on_alarm(int signo)
{
	alarms += signo == SIGALRM;
}

int main(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), p[2], q[2];
	CHECK(ep >= 0 && pipe(p) == 0 && pipe(q) == 0);
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0x1122334455667788}, out[10];
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e) == 0);
	FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e), EEXIST);
	FAILS(epoll_ctl(ep, EPOLL_CTL_MOD, q[0], &e), ENOENT);
	FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], (void *)8), EFAULT);
	FAILS(epoll_ctl(ep, 9, q[0], &e), EINVAL);
	e = (struct epoll_event){.events = EPOLLOUT | EPOLLET, .data.u64 = 0xaabbccddeeff0011};
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, q[1], &e) == 0);
	CHECK(epoll_wait(ep, out, 10, 0) == 1 && out[0].events == EPOLLOUT && out[0].data.u64 == 0xaabbccddeeff0011);
	CHECK(epoll_wait(ep, out, 10, 0) == 0);
	// Without a mask nobody looks at its size.
	CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, q[1], &e) == 0);
	memset(out, 0, sizeof out);
	CHECK(syscall(SYS_epoll_pwait, ep, out, 10, 0, NULL, 0) == 1 && out[0].events == EPOLLOUT && out[0].data.u64 == 0xaabbccddeeff0011);
	FAILS(syscall(SYS_epoll_pwait, ep, out, 10, 0, &(uint64_t){0}, 0), EINVAL);
	CHECK(write(p[1], "x", 1) == 1 && epoll_wait(ep, out, 10, -1) == 1 && out[0].events == EPOLLIN && out[0].data.u64 == 0x1122334455667788);
	CHECK(epoll_wait(ep, out, 10, 0) == 1);
	e = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 1};
	CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e) == 0 && epoll_wait(ep, out, 1, 1000) == 1 && out[0].data.u64 == 1);
	CHECK(epoll_wait(ep, out, 10, 0) == 0);
	CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL) == 0);
	FAILS(epoll_wait(ep, out, 0, 0), EINVAL);
	FAILS(epoll_wait(p[0], out, 1, 0), EINVAL);
	FAILS(epoll_wait(-1, out, 1, 0), EBADF);
	FAILS(epoll_create1(1), EINVAL);

	// Many.
	static struct epoll_event many[3000];
	int fds = 600, hit[600] = {0}, many_fds[600];
	int ep2 = epoll_create1(0);
	for (int i = 0; i < fds; i++) {
		int fd = many_fds[i] = eventfd(1, EFD_NONBLOCK);
		CHECK(fd >= 0);
		e = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.u64 = i | (uint64_t)i << 32};
		CHECK(epoll_ctl(ep2, EPOLL_CTL_ADD, fd, &e) == 0);
	}
	int total = 0;
	for (int n; (n = epoll_wait(ep2, many, 3000, 0)) > 0; total += n)
		for (int i = 0; i < n; i++) {
			CHECK(many[i].data.u64 >> 32 == (uint32_t)many[i].data.u64 && many[i].events == EPOLLIN);
			hit[many[i].data.u32]++;
		}
	CHECK(total == fds);
	// Closed, since a limit of 1024 is usual.
	for (int i = 0; i < fds; i++)
		CHECK(hit[i] == 1 && close(many_fds[i]) == 0);

	// A mask for the wait only: blocked outside, taken inside.
	sigset_t block, none;
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	signal(SIGALRM, on_alarm);
	sigprocmask(SIG_BLOCK, &block, NULL);
	raise(SIGALRM);
	CHECK(alarms == 0);
	FAILS(epoll_pwait(ep, out, 10, 10000, &none), EINTR);
	CHECK(alarms == 1);
	struct itimerval soon = {.it_value = {0, 20000}};
	setitimer(ITIMER_REAL, &soon, NULL);
	FAILS(epoll_pwait(ep, out, 10, 10000, &none), EINTR);
	CHECK(alarms == 2);
	sigset_t now;
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(sigismember(&now, SIGALRM) == 1);
	struct timespec short_time = {0, 1000000};
	CHECK(syscall(SYS_epoll_pwait2, ep, out, 10, &short_time, NULL, 8) == 0);
	FAILS(syscall(SYS_epoll_pwait2, ep, out, 10, &short_time, &none, 4), EINVAL);
	raise(SIGALRM);
	short_time.tv_sec = 10;
	FAILS(syscall(SYS_epoll_pwait2, ep, out, 10, &short_time, &none, 8), EINTR);
	CHECK(alarms == 3);

	// epoll of epoll.
	e.data.u64 = 5;
	e.events = EPOLLIN;
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e) == 0);
	struct pollfd pfd = {ep, POLLIN, 0};
	CHECK(poll(&pfd, 1, 0) == 1 && pfd.revents == POLLIN);

	// One call returns all that is ready, each with its own data.
	enum { MANY = 700 };
	static struct epoll_event all[MANY + 1];
	static char seen[MANY];
	int set = epoll_create1(0);
	CHECK(set >= 0);
	int source[2];
	CHECK(pipe(source) == 0 && write(source[1], "x", 1) == 1);
	for (int i = 0; i < MANY; i++) {
		int fd = dup(source[0]);
		e = (struct epoll_event){.events = EPOLLIN, .data.u64 = 0x5555000000000000 + i};
		CHECK(fd >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, fd, &e) == 0);
	}
	CHECK(epoll_wait(set, all, MANY + 1, 0) == MANY);
	for (int i = 0; i < MANY; i++) {
		uint64_t n = all[i].data.u64 - 0x5555000000000000;
		CHECK(all[i].events == EPOLLIN && n < MANY && !seen[n]);
		seen[n] = 1;
	}
	puts("done");
	return 0;
}
