// Handlers, masks and waiting for signals, as signal(7) and POSIX describe them.
#include "../check.h"
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int count, last, order[64], depth, max_depth;
// Not static: the compiler would think that only calls it sees change them.
siginfo_t info;
sigset_t inside, from_context;

static void note(int signo)
{
	last = signo;
	order[count++ & 63] = signo;
}

static void note_info(int signo, siginfo_t *i, void *context)
{
	note(signo);
	info = *i;
	sigprocmask(SIG_BLOCK, NULL, &inside);
	memcpy(&from_context, &((ucontext_t *)context)->uc_sigmask, 8);
}

static void nest(int signo)
{
	note(signo);
	depth++;
	if (depth > max_depth)
		max_depth = depth;
	if (count < 3)
		raise(signo);
	depth--;
}

static void handle(int signo, void (*f)(int), int flags)
{
	struct sigaction a = { .sa_handler = f, .sa_flags = flags };
	CHECK(sigaction(signo, &a, NULL) == 0);
}

static void handle_info(int signo, int flags, int masked)
{
	struct sigaction a = { .sa_sigaction = note_info, .sa_flags = flags | SA_SIGINFO };
	if (masked)
		sigaddset(&a.sa_mask, masked);
	CHECK(sigaction(signo, &a, NULL) == 0);
}

static void mask(int how, int signo)
{
	sigset_t s;
	sigemptyset(&s);
	if (signo)
		sigaddset(&s, signo);
	CHECK(sigprocmask(how, &s, NULL) == 0);
}

static int blocked(int signo)
{
	sigset_t s;
	CHECK(sigprocmask(SIG_BLOCK, NULL, &s) == 0);
	return sigismember(&s, signo);
}

static void reset(void)
{
	count = last = depth = max_depth = 0;
	mask(SIG_SETMASK, 0);
}

static void dispositions(void)
{
	struct sigaction a = { .sa_handler = note, .sa_flags = SA_RESTART | SA_NODEFER }, b;
	sigfillset(&a.sa_mask);
	CHECK(sigaction(SIGUSR1, &a, &b) == 0 && b.sa_handler == SIG_DFL);
	CHECK(sigaction(SIGUSR1, NULL, &b) == 0 && b.sa_handler == note);
	CHECK((b.sa_flags & (SA_RESTART | SA_NODEFER)) == (SA_RESTART | SA_NODEFER));
	CHECK(sigismember(&b.sa_mask, SIGHUP) == 1 && sigismember(&b.sa_mask, SIGKILL) == 0);
	FAILS(sigaction(SIGKILL, &a, NULL), EINVAL);
	FAILS(sigaction(SIGSTOP, &a, NULL), EINVAL);
	CHECK(sigaction(SIGKILL, NULL, &b) == 0);
	FAILS(sigaction(65, &a, NULL), EINVAL);
	FAILS(sigaction(0, &a, NULL), EINVAL);
	FAILS(syscall(SYS_rt_sigaction, SIGUSR1, &a, NULL, 4), EINVAL);
	FAILS(syscall(SYS_rt_sigaction, SIGUSR1, 8, NULL, 8), EFAULT);
	FAILS(syscall(SYS_rt_sigprocmask, 77, &a.sa_mask, NULL, 8), EINVAL);
	// Real-time signals down to 32, which no C library hands out.
	for (int signo = 32; signo <= 64; signo++) {
		uint64_t raw[4] = { 0 };
		CHECK(syscall(SYS_rt_sigaction, signo, NULL, raw, 8) == 0);
	}
}

static void delivery(void)
{
	reset();
	handle_info(SIGUSR1, 0, SIGUSR2);
	mask(SIG_BLOCK, SIGHUP);
	raise(SIGUSR1);
	CHECK(count == 1 && last == SIGUSR1);
	CHECK(info.si_signo == SIGUSR1 && info.si_code == SI_TKILL && info.si_pid == getpid() && info.si_uid == getuid());
	CHECK(sigismember(&inside, SIGUSR1) && sigismember(&inside, SIGUSR2) && sigismember(&inside, SIGHUP));
	CHECK(sigismember(&inside, SIGTERM) == 0);
	CHECK(sigismember(&from_context, SIGHUP) && !sigismember(&from_context, SIGUSR1));
	CHECK(!blocked(SIGUSR1) && !blocked(SIGUSR2) && blocked(SIGHUP));
	kill(getpid(), SIGUSR1);
	CHECK(count == 2 && info.si_code == SI_USER && info.si_pid == getpid());

	// A standard signal pends once, a real-time signal queues with its value, in order of numbers.
	reset();
	handle_info(SIGRTMIN + 1, 0, 0);
	handle_info(SIGRTMIN + 2, 0, 0);
	mask(SIG_BLOCK, SIGUSR1), mask(SIG_BLOCK, SIGRTMIN + 1), mask(SIG_BLOCK, SIGRTMIN + 2);
	raise(SIGUSR1), raise(SIGUSR1);
	for (int i = 0; i < 3; i++) {
		CHECK(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ .sival_int = 20 + i }) == 0);
		CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 10 + i }) == 0);
	}
	sigset_t pending;
	CHECK(sigpending(&pending) == 0);
	CHECK(sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGRTMIN + 1) && !sigismember(&pending, SIGUSR2));
	CHECK(count == 0);
	mask(SIG_UNBLOCK, SIGUSR1);
	CHECK(count == 1);
	mask(SIG_UNBLOCK, SIGRTMIN + 1);
	CHECK(count == 4 && info.si_code == SI_QUEUE && info.si_value.sival_int == 12);
	mask(SIG_UNBLOCK, SIGRTMIN + 2);
	CHECK(count == 7 && info.si_value.sival_int == 22 && info.si_pid == getpid());

	// SA_NODEFER, SA_RESETHAND.
	reset();
	handle(SIGUSR2, nest, 0);
	raise(SIGUSR2);
	CHECK(count == 3 && max_depth == 1);
	reset();
	handle(SIGUSR2, nest, SA_NODEFER);
	raise(SIGUSR2);
	CHECK(count == 3 && max_depth == 3);
	reset();
	handle(SIGUSR2, note, SA_RESETHAND);
	raise(SIGUSR2);
	struct sigaction a;
	CHECK(count == 1 && sigaction(SIGUSR2, NULL, &a) == 0 && a.sa_handler == SIG_DFL);

	// Ignoring discards what is pending.
	reset();
	handle(SIGUSR2, note, 0);
	mask(SIG_BLOCK, SIGUSR2);
	raise(SIGUSR2);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGUSR2, note);
	mask(SIG_UNBLOCK, SIGUSR2);
	CHECK(count == 0);
	// Those of faults, sent by a program, behave like any other.
	int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	for (int i = 0; i < 5; i++) {
		reset();
		handle_info(faults[i], 0, 0);
		raise(faults[i]);
		CHECK(count == 1 && info.si_code == SI_TKILL);
		mask(SIG_BLOCK, faults[i]);
		raise(faults[i]), raise(faults[i]);
		CHECK(count == 1 && sigpending(&pending) == 0 && sigismember(&pending, faults[i]));
		mask(SIG_UNBLOCK, faults[i]);
		CHECK(count == 2);
		signal(faults[i], SIG_IGN);
		raise(faults[i]);
		CHECK(count == 2);
		signal(faults[i], SIG_DFL);
	}
}

static void waiting(void)
{
	sigset_t s, none;
	struct timespec zero = { 0 }, little = { .tv_nsec = 20000000 };
	siginfo_t i;
	reset();
	sigemptyset(&none);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	handle_info(SIGUSR1, 0, 0);
	mask(SIG_BLOCK, SIGUSR1);
	FAILS(sigtimedwait(&s, &i, &zero), EAGAIN);
	FAILS(sigtimedwait(&s, &i, &little), EAGAIN);
	CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 5 }) == 0);
	CHECK(sigwaitinfo(&s, &i) == SIGUSR1 && i.si_value.sival_int == 5 && count == 0);
	sigset_t segv;
	sigemptyset(&segv);
	sigaddset(&segv, SIGSEGV);
	sigprocmask(SIG_BLOCK, &segv, NULL);
	raise(SIGSEGV);
	CHECK(sigwaitinfo(&segv, &i) == SIGSEGV && i.si_pid == getpid());
	sigprocmask(SIG_UNBLOCK, &segv, NULL);

	// sigsuspend: the handler runs under the temporary mask and the old one comes back.
	raise(SIGUSR1);
	mask(SIG_BLOCK, SIGHUP);
	sigset_t temporary;
	sigemptyset(&temporary);
	sigaddset(&temporary, SIGTERM);
	FAILS(sigsuspend(&temporary), EINTR);
	CHECK(count == 1 && sigismember(&inside, SIGTERM) && sigismember(&inside, SIGUSR1) && !sigismember(&inside, SIGHUP));
	CHECK(sigismember(&from_context, SIGHUP) && sigismember(&from_context, SIGUSR1) && !sigismember(&from_context, SIGTERM));
	CHECK(blocked(SIGUSR1) && blocked(SIGHUP) && !blocked(SIGTERM));

	// ppoll, pselect, epoll_pwait with a mask.
	int fd[2];
	CHECK(pipe(fd) == 0);
	struct pollfd p = { .fd = fd[0], .events = POLLIN };
	raise(SIGUSR1);
	FAILS(ppoll(&p, 1, NULL, &none), EINTR);
	CHECK(count == 2 && blocked(SIGUSR1));
	raise(SIGUSR1);
	fd_set set;
	FD_ZERO(&set);
	FD_SET(fd[0], &set);
	FAILS(pselect(fd[0] + 1, &set, NULL, NULL, NULL, &none), EINTR);
	CHECK(count == 3 && blocked(SIGUSR1));
	int e = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN };
	CHECK(epoll_ctl(e, EPOLL_CTL_ADD, fd[0], &event) == 0);
	raise(SIGUSR1);
	FAILS(epoll_pwait(e, &event, 1, -1, &none), EINTR);
	CHECK(count == 4 && blocked(SIGUSR1));
	// Ready descriptors win, and the signal stays pending.
	CHECK(write(fd[1], "x", 1) == 1);
	CHECK(ppoll(&p, 1, &zero, &none) >= 0 || errno == EINTR);

	// signalfd.
	mask(SIG_BLOCK, SIGUSR2);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	int sfd = signalfd(-1, &s, SFD_NONBLOCK);
	struct signalfd_siginfo si;
	FAILS(read(sfd, &si, sizeof si), EAGAIN);
	CHECK(sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 9 }) == 0);
	CHECK(read(sfd, &si, sizeof si) == sizeof si);
	CHECK(si.ssi_signo == SIGUSR2 && si.ssi_int == 9 && si.ssi_pid == (unsigned)getpid());
	close(fd[0]), close(fd[1]), close(e), close(sfd);
}

static void after(int ms)
{
	struct itimerval t = { .it_value = { .tv_usec = ms * 1000 } };
	CHECK(setitimer(ITIMER_REAL, &t, NULL) == 0);
}

static int pipe_fd[2];
static void feed(int signo)
{
	note(signo);
	CHECK(write(pipe_fd[1], "y", 1) == 1);
}

static void interruption(void)
{
	char c = 0;
	reset();
	CHECK(pipe(pipe_fd) == 0);
	handle(SIGALRM, feed, 0);
	after(20);
	FAILS(read(pipe_fd[0], &c, 1), EINTR);
	CHECK(count == 1 && read(pipe_fd[0], &c, 1) == 1 && c == 'y');
	handle(SIGALRM, feed, SA_RESTART);
	after(20);
	c = 0;
	CHECK(read(pipe_fd[0], &c, 1) == 1 && c == 'y' && count == 2);
	// Never restarted, whatever the flag.
	after(20);
	struct timespec second = { .tv_sec = 5 }, left;
	FAILS(nanosleep(&second, &left), EINTR);
	CHECK(left.tv_sec == 4 && count == 3);
	after(20);
	struct pollfd p = { .fd = -1 };
	FAILS(poll(&p, 1, 5000), EINTR);
	after(20);
	FAILS(pause(), EINTR);
	CHECK(count == 5);
	// wait restarts.
	pid_t child = fork();
	if (child == 0) {
		usleep(100000);
		_exit(3);
	}
	after(20);
	int status;
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3 && count == 6);
	// A signal that is ignored does not interrupt.
	signal(SIGALRM, SIG_IGN);
	after(20);
	struct timespec short_sleep = { .tv_nsec = 60000000 };
	CHECK(nanosleep(&short_sleep, NULL) == 0);
	close(pipe_fd[0]), close(pipe_fd[1]);
}

static sigjmp_buf env;
static void jump(int signo)
{
	siglongjmp(env, signo);
}

static void jumping(void)
{
	reset();
	handle(SIGUSR1, jump, 0);
	for (volatile int i = 0; i < 100; i++) {
		if (sigsetjmp(env, 1) == 0)
			raise(SIGUSR1);
		else
			count++;
		CHECK(!blocked(SIGUSR1));
	}
	CHECK(count == 100);
	// Out of a loop that makes no system calls.
	handle(SIGALRM, jump, 0);
	after(20);
	if (sigsetjmp(env, 1) == 0)
		for (volatile unsigned long i = 0;; i++)
			;
	CHECK(!blocked(SIGALRM));
}

static volatile double sum;
static void disturb(int signo)
{
	(void)signo;
	double x = 1;
	for (int i = 1; i < 20; i++)
		x = x / i + i;
	sum = x;
	count++;
}

static void registers(void)
{
	// Handlers at random places must not change what the interrupted code computes.
	reset();
	handle(SIGALRM, disturb, SA_RESTART);
	struct itimerval t = { .it_value = { .tv_usec = 200 }, .it_interval = { .tv_usec = 200 } };
	CHECK(setitimer(ITIMER_REAL, &t, NULL) == 0);
	double first = 0;
	uint64_t first_hash = 0;
	for (int round = 0; round < 20 || (count < 50 && round < 20000); round++) {
		double x = 0.5;
		uint64_t hash = 1469598103934665603u;
		for (int i = 0; i < 5000; i++) {
			x = x * 3.7 * (1 - x);
			hash = (hash ^ (uint64_t)i) * 1099511628211u + (hash >> 60 > 7);
		}
		if (round == 0)
			first = x, first_hash = hash;
		CHECK(x == first && hash == first_hash);
	}
	memset(&t, 0, sizeof t);
	setitimer(ITIMER_REAL, &t, NULL);
	CHECK(count > 0);
}

int main(void)
{
	dispositions();
	puts("dispositions");
	delivery();
	puts("delivery");
	waiting();
	puts("waiting");
	interruption();
	puts("interruption");
	jumping();
	puts("jumping");
	registers();
	puts("registers");
	return 0;
}
