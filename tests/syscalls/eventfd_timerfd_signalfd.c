// Descriptors that count events, timers and signals.
#include "../check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifndef SYS_timerfd_settime // as musl names it where times have 32 bits otherwise
#define SYS_timerfd_settime SYS_timerfd_settime64
#endif

int main(void)
{
	int fd = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t n = 4;
	CHECK(fd >= 0 && write(fd, &n, 8) == 8 && read(fd, &n, 8) == 8 && n == 7);
	FAILS(read(fd, &n, 8), EAGAIN);
	FAILS(read(fd, &n, 4), EINVAL);
	n = ~0ull;
	FAILS(write(fd, &n, 8), EINVAL);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && (fcntl(fd, F_GETFL) & O_NONBLOCK));
	fd = eventfd(2, EFD_SEMAPHORE);
	CHECK(read(fd, &n, 8) == 8 && n == 1 && read(fd, &n, 8) == 8 && n == 1);
	FAILS(eventfd(0, 0x40000000), EINVAL);

	int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct itimerspec spec = {{0, 2000000}, {0, 1000000}}, got;
	CHECK(t >= 0);
	FAILS(read(t, &n, 8), EAGAIN);
	CHECK(timerfd_settime(t, 0, &spec, &got) == 0 && got.it_value.tv_nsec == 0);
	struct pollfd p = {t, POLLIN, 0};
	CHECK(poll(&p, 1, 5000) == 1 && read(t, &n, 8) == 8 && n >= 1);
	CHECK(timerfd_gettime(t, &got) == 0 && got.it_interval.tv_nsec == 2000000 && got.it_value.tv_nsec <= 2000000);
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	spec = (struct itimerspec){{0, 0}, now};
	CHECK(timerfd_settime(t, TFD_TIMER_ABSTIME, &spec, NULL) == 0 && poll(&p, 1, 5000) == 1 && read(t, &n, 8) == 8 && n == 1);
	spec.it_value.tv_nsec = 1000000000;
	FAILS(timerfd_settime(t, 0, &spec, NULL), EINVAL);
	FAILS(timerfd_create(77, 0), EINVAL);
	// (A C library may read the times first.)
	FAILS(syscall(SYS_timerfd_settime, t, 0, (void *)8, NULL), EFAULT);

	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGRTMIN + 3);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	int s = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	struct signalfd_siginfo info[4];
	CHECK(s >= 0);
	FAILS(read(s, info, sizeof info), EAGAIN);
	kill(getpid(), SIGUSR1);
	CHECK(read(s, info, sizeof info) == sizeof *info && info[0].ssi_signo == SIGUSR1 && info[0].ssi_pid == (uint32_t)getpid() && info[0].ssi_code == SI_USER);
	union sigval v = {.sival_ptr = (void *)(uintptr_t)0x123456789abc};
	CHECK(sigqueue(getpid(), SIGRTMIN + 3, v) == 0 && sigqueue(getpid(), SIGRTMIN + 3, v) == 0);
	CHECK(read(s, info, sizeof info) == 2 * sizeof *info && info[1].ssi_signo == (uint32_t)SIGRTMIN + 3 && info[1].ssi_ptr == (uintptr_t)0x123456789abc);
	CHECK(info[1].ssi_code == SI_QUEUE);
	pid_t child = fork();
	if (child == 0)
		_exit(42);
	p = (struct pollfd){s, POLLIN, 0};
	CHECK(poll(&p, 1, 5000) == 1 && read(s, info, sizeof info) == sizeof *info && info[0].ssi_signo == SIGCHLD && info[0].ssi_status == 42);
	CHECK(info[0].ssi_pid == (uint32_t)child && waitpid(child, NULL, 0) == child);
	sigdelset(&set, SIGUSR1);
	CHECK(signalfd(s, &set, 0) == s);
	kill(getpid(), SIGUSR1);
	FAILS(read(s, info, sizeof info), EAGAIN);
	FAILS(signalfd(-1, &set, 0x40000000), EINVAL);
	puts("done");
	return 0;
}
