// Clocks, sleeping, interval timers and POSIX timers.
//@ flags: -lrt
#include "../check.h"
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif
// The call that has the C library's `struct timespec`; musl does not name those of 32-bit times so.
#ifdef SYS_clock_gettime64
#define THE_CLOCK SYS_clock_gettime64
#else
#define THE_CLOCK SYS_clock_gettime
#endif
#ifndef SYS_gettimeofday
#define SYS_gettimeofday SYS_gettimeofday_time32
#endif

static volatile int count, value, target;
static void handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	count++;
	value = info->si_value.sival_int;
	target = syscall(SYS_gettid);
}

static double seconds(const struct timespec *t)
{
	return t->tv_sec + t->tv_nsec * 1e-9;
}

int main(void)
{
	struct timespec a, b, r;
	for (int c = 0; c <= CLOCK_TAI; c++) {
		if (c == 10)
			continue;
		int ok = clock_gettime(c, &a) == 0, res = clock_getres(c, &r) == 0;
		printf("clock %d %d %d\n", c, ok, res);
		CHECK(!ok || (a.tv_nsec >= 0 && a.tv_nsec < 1000000000));
	}
	FAILS(clock_gettime(99, &a), EINVAL);
	FAILS(syscall(THE_CLOCK, CLOCK_REALTIME, 8), EFAULT);
	struct timeval tv;
	time_t t = time(NULL);
	CHECK(gettimeofday(&tv, NULL) == 0 && clock_gettime(CLOCK_REALTIME, &a) == 0 && a.tv_sec - tv.tv_sec <= 1 && tv.tv_sec - t <= 1 && t > 1700000000);
	CHECK(syscall(SYS_gettimeofday, &tv, NULL) == 0 && syscall(THE_CLOCK, CLOCK_REALTIME, &b) == 0 && seconds(&b) >= seconds(&a));
	for (int i = 0; i < 1000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		syscall(THE_CLOCK, CLOCK_MONOTONIC, &b);
		CHECK(seconds(&b) >= seconds(&a));
	}
	clockid_t own;
	CHECK(clock_getcpuclockid(0, &own) == 0 && clock_gettime(own, &a) == 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	struct timespec nap = {0, 20000000};
	CHECK(nanosleep(&nap, NULL) == 0 && clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL) == 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	CHECK(seconds(&b) - seconds(&a) >= 0.04 && seconds(&b) - seconds(&a) < 5);
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &a, NULL) == 0);
	nap.tv_nsec = 1000000000;
	FAILS(nanosleep(&nap, NULL), EINVAL);

	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);
	struct itimerval it = {.it_value = {0, 10000}, .it_interval = {0, 10000}}, old;
	CHECK(setitimer(ITIMER_REAL, &it, &old) == 0 && old.it_value.tv_sec == 0);
	nap = (struct timespec){5, 0};
	FAILS(nanosleep(&nap, &r), EINTR);
	CHECK(count >= 1 && seconds(&r) > 4 && seconds(&r) < 5);
	CHECK(clock_nanosleep(CLOCK_REALTIME, 0, &nap, &r) == EINTR && count >= 2);
	it.it_value.tv_usec = 0;
	CHECK(setitimer(ITIMER_REAL, &it, &old) == 0 && old.it_interval.tv_usec == 10000 && getitimer(ITIMER_REAL, &old) == 0 && old.it_value.tv_usec == 0);
	CHECK(alarm(100) == 0 && alarm(0) == 100);

	timer_t timer;
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 1234};
	ev.sigev_notify_thread_id = syscall(SYS_gettid);
	CHECK(timer_create(CLOCK_MONOTONIC, &ev, &timer) == 0);
	struct itimerspec spec = {{0, 0}, {0, 5000000}}, cur;
	count = 0;
	CHECK(timer_settime(timer, 0, &spec, NULL) == 0 && timer_gettime(timer, &cur) == 0 && cur.it_value.tv_nsec <= 5000000);
	FAILS(nanosleep(&nap, NULL), EINTR);
	CHECK(count == 1 && value == 1234 && target == getpid() && timer_getoverrun(timer) == 0 && timer_delete(timer) == 0);
	ev.sigev_notify = 77;
	FAILS(timer_create(CLOCK_MONOTONIC, &ev, &timer), EINVAL);
	FAILS(syscall(SYS_timer_delete, 12345), EINVAL);

	struct timex tx = {0};
	int state = adjtimex(&tx);
	CHECK(state >= 0 && tx.tick >= 9000 && tx.tick <= 11000 && tx.time.tv_sec > 1700000000);
	memset(&tx, 0, sizeof tx);
	CHECK(clock_adjtime(CLOCK_REALTIME, &tx) == state);
	struct tms tms;
	CHECK(times(&tms) != -1 && tms.tms_cutime == 0 && sysconf(_SC_CLK_TCK) == 100);
	puts("done");
	return 0;
}
