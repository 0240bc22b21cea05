// Affinity, policies, priorities, limits.
//@ glibc: musl does not have the scheduler functions of POSIX
#include "../check.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

int main(void)
{
	cpu_set_t all, one;
	CHECK(sched_getaffinity(0, sizeof all, &all) == 0 && CPU_COUNT(&all) >= 1);
	int first = 0;
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	CHECK(sched_setaffinity(0, sizeof one, &one) == 0 && sched_getcpu() == first);
	unsigned cpu, node;
	CHECK(syscall(SYS_getcpu, &cpu, &node, NULL) == 0 && (int)cpu == first);
	CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
	FAILS(syscall(SYS_sched_getaffinity, 0, 1, &all), EINVAL);
	FAILS(sched_getaffinity(-5, sizeof all, &all), ESRCH);
	CPU_ZERO(&one);
	FAILS(sched_setaffinity(0, sizeof one, &one), EINVAL);

	CHECK(sched_getscheduler(0) == SCHED_OTHER && sched_get_priority_max(SCHED_FIFO) == 99 && sched_get_priority_min(SCHED_RR) == 1);
	struct sched_param p = {0};
	CHECK(sched_setscheduler(0, SCHED_BATCH, &p) == 0 && sched_getscheduler(0) == SCHED_BATCH && sched_getparam(0, &p) == 0 && p.sched_priority == 0);
	FAILS(sched_setscheduler(0, 99, &p), EINVAL);
	struct timespec ts;
	CHECK(sched_rr_get_interval(0, &ts) == 0);
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
		uint32_t min, max;
	} attr = {0};
	CHECK(syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0) == 0 && attr.policy == SCHED_BATCH);
	attr.nice = 3;
	attr.policy = SCHED_OTHER;
	CHECK(syscall(SYS_sched_setattr, 0, &attr, 0) == 0 && getpriority(PRIO_PROCESS, 0) == 3);
	CHECK(setpriority(PRIO_PROCESS, 0, 5) == 0 && syscall(SYS_getpriority, PRIO_PROCESS, 0) == 15);
	CHECK(nice(1) == 6 && sched_yield() == 0);
	FAILS(getpriority(99, 0), EINVAL);
	CHECK(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 5) == 0 && syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 5));

	struct rlimit l, m;
	for (int r = 0; r < 16; r++)
		CHECK(getrlimit(r, &l) == 0 && l.rlim_cur <= l.rlim_max);
	FAILS(getrlimit(99, &l), EINVAL);
	FAILS(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 8, NULL), EFAULT);
	int settable[] = {RLIMIT_NOFILE, RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_STACK};
	for (int i = 0; i < 5; i++) {
		CHECK(getrlimit(settable[i], &l) == 0);
		l.rlim_cur = 1 << 20 < l.rlim_max ? 1 << 20 : l.rlim_max;
		if (settable[i] == RLIMIT_NOFILE)
			l.rlim_cur = 200;
		CHECK(setrlimit(settable[i], &l) == 0 && prlimit(0, settable[i], NULL, &m) == 0 && m.rlim_cur == l.rlim_cur && m.rlim_max == l.rlim_max);
	}
	FAILS(dup2(0, 200), EBADF);
	l = (struct rlimit){10, 5};
	FAILS(setrlimit(RLIMIT_NOFILE, &l), EINVAL);
	// Memory limits read back, bind, and go up again to the hard limit.
	int memory[] = {RLIMIT_AS, RLIMIT_DATA};
	for (int i = 0; i < 2; i++) {
		CHECK(getrlimit(memory[i], &l) == 0);
		struct rlimit save = l;
		l.rlim_cur = 200 << 20;
		CHECK(setrlimit(memory[i], &l) == 0 && getrlimit(memory[i], &m) == 0 && m.rlim_cur == l.rlim_cur && m.rlim_max == save.rlim_max);
		CHECK(malloc(sizeof(long) == 8 ? (size_t)(20ll << 30) : (size_t)1 << 30) == NULL);
		char *p = malloc(50 << 20);
		CHECK(p);
		memset(p, 1, 50 << 20);
		CHECK(setrlimit(memory[i], &save) == 0);
	}
	struct rusage ru;
	CHECK(getrusage(RUSAGE_SELF, &ru) == 0 && ru.ru_maxrss > 0 && getrusage(RUSAGE_THREAD, &ru) == 0 && getrusage(RUSAGE_CHILDREN, &ru) == 0);
	FAILS(getrusage(77, &ru), EINVAL);
	struct sysinfo si;
	CHECK(sysinfo(&si) == 0 && si.totalram > 0 && si.mem_unit >= 1 && si.procs > 0);
	puts("done");
	return 0;
}
