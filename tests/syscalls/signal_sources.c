// Where signals come from: timers, descriptors, children, limits, terminals; and which calls a handler interrupts.
//@ glibc: musl has no makecontext
#include "../check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

volatile int count;
siginfo_t info;
pid_t handled_by;

static void note(int signo, siginfo_t *i, void *context)
{
	(void)signo, (void)context;
	info = *i;
	handled_by = gettid();
	count++;
}

static void handle(int signo, int flags)
{
	struct sigaction a = { .sa_sigaction = note, .sa_flags = flags | SA_SIGINFO };
	CHECK(sigaction(signo, &a, NULL) == 0);
	count = 0;
}

static void wait_for(int n)
{
	for (int i = 0; i < 3000 && count < n; i++)
		usleep(1000);
	CHECK(count >= n);
}

static sem_t from_timer;
static void timer_thread(union sigval v)
{
	CHECK(v.sival_int == 77);
	sem_post(&from_timer);
}

static void timers(void)
{
	timer_t t;
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value.sival_int = 123 };
	struct itimerspec once = { .it_value = { .tv_nsec = 5000000 } }, often = { { .tv_nsec = 1000000 }, { .tv_nsec = 1000000 } };
	handle(SIGRTMIN + 3, 0);
	CHECK(timer_create(CLOCK_MONOTONIC, &e, &t) == 0 && timer_settime(t, 0, &once, NULL) == 0);
	wait_for(1);
	CHECK(info.si_code == SI_TIMER && info.si_value.sival_int == 123 && info.si_overrun == 0);
	// Expirations while blocked are one signal and a count.
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &s, NULL);
	CHECK(timer_settime(t, 0, &often, NULL) == 0);
	usleep(30000);
	CHECK(timer_delete(t) == 0);
	e.sigev_notify = SIGEV_THREAD_ID;
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	memcpy((char *)&e + sizeof(union sigval) + 8, &(int){ gettid() }, 4);
	count = 0;
	CHECK(timer_create(CLOCK_REALTIME, &e, &t) == 0 && timer_settime(t, 0, &once, NULL) == 0);
	wait_for(1);
	CHECK(handled_by == gettid() && timer_delete(t) == 0);
	sem_init(&from_timer, 0, 0);
	struct sigevent te = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = timer_thread, .sigev_value.sival_int = 77 };
	CHECK(timer_create(CLOCK_MONOTONIC, &te, &t) == 0 && timer_settime(t, 0, &often, NULL) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(sem_wait(&from_timer) == 0);
	CHECK(timer_delete(t) == 0);
	handle(SIGVTALRM, 0), handle(SIGPROF, 0);
	struct itimerval v = { .it_value = { .tv_usec = 5000 } };
	setitimer(ITIMER_VIRTUAL, &v, NULL), setitimer(ITIMER_PROF, &v, NULL);
	for (volatile long i = 0; count < 2 && i < 2000000000; i++)
		;
	CHECK(count == 2);
}

static void descriptors(void)
{
	int fd[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	handle(SIGRTMIN + 4, 0);
	CHECK(fcntl(fd[0], F_SETOWN, getpid()) == 0 && fcntl(fd[0], F_SETSIG, SIGRTMIN + 4) == 0);
	CHECK(fcntl(fd[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
	CHECK(write(fd[1], "x", 1) == 1);
	wait_for(1);
	CHECK(info.si_fd == fd[0] && info.si_code == POLL_IN && (info.si_band & POLLIN));
	handle(SIGPIPE, 0);
	close(fd[0]);
	FAILS(write(fd[1], "x", 1), EPIPE);
	CHECK(count == 1);
	FAILS(send(fd[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK(count == 1);
	close(fd[1]);

	handle(SIGXFSZ, 0);
	struct rlimit limit, old;
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old, limit.rlim_cur = 100;
	int f = open("limited", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	char buffer[200] = "";
	CHECK(write(f, buffer, 200) == 100);
	FAILS(write(f, buffer, 1), EFBIG);
	CHECK(count == 1 && info.si_signo == SIGXFSZ);
	setrlimit(RLIMIT_FSIZE, &old);
	close(f), unlink("limited");
}

static void children(void)
{
	handle(SIGCHLD, SA_RESTART);
	pid_t child = fork();
	if (child == 0)
		_exit(9);
	wait_for(1);
	CHECK(info.si_code == CLD_EXITED && info.si_pid == child && info.si_status == 9 && info.si_uid == getuid());
	CHECK(wait(NULL) == child);
	count = 0;
	child = fork();
	if (child == 0) {
		raise(SIGSTOP);
		pause();
	}
	wait_for(1);
	CHECK(info.si_code == CLD_STOPPED && info.si_status == SIGSTOP);
	kill(child, SIGCONT);
	wait_for(2);
	CHECK(info.si_code == CLD_CONTINUED);
	kill(child, SIGKILL);
	wait_for(3);
	CHECK(info.si_code == CLD_KILLED && info.si_status == SIGKILL && wait(NULL) == child);
	handle(SIGCHLD, SA_NOCLDSTOP);
	child = fork();
	if (child == 0) {
		raise(SIGSTOP);
		_exit(0);
	}
	int status;
	CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && count == 0);
	kill(child, SIGCONT);
	while (waitpid(child, &status, 0) != child)
		;
	wait_for(1);
	handle(SIGCHLD, SA_NOCLDWAIT);
	child = fork();
	if (child == 0)
		_exit(0);
	while (waitpid(child, &status, 0) == -1 && errno == EINTR)
		;
	CHECK(errno == ECHILD);
	signal(SIGCHLD, SIG_DFL);

	// By descriptor, and with a siginfo of the sender's making.
	handle(SIGUSR1, 0);
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	CHECK(fd >= 0 && syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0) == 0);
	wait_for(1);
	CHECK(info.si_code == SI_USER && info.si_pid == getpid());
	close(fd);
	siginfo_t mine = { .si_signo = SIGUSR1, .si_code = -60 };
	mine.si_value.sival_ptr = &mine;
	CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &mine) == 0);
	wait_for(2);
	CHECK(info.si_code == -60 && info.si_value.sival_ptr == &mine);
	child = fork();
	if (child == 0) {
		mine.si_code = SI_USER;
		FAILS(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &mine), EPERM);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	FAILS(kill(0x7fffffff, 0), ESRCH);
	FAILS(kill(getpid(), 65), EINVAL);
	CHECK(kill(getpid(), 0) == 0);

	// RLIMIT_CPU: SIGXCPU, then SIGKILL.
	child = fork();
	if (child == 0) {
		struct rlimit core = { 0, 0 }, cpu = { 1, 2 };
		setrlimit(RLIMIT_CORE, &core), setrlimit(RLIMIT_CPU, &cpu);
		for (;;)
			;
	}
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU);
}

static void terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), status;
	CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	char name[64];
	CHECK(ptsname_r(master, name, sizeof name) == 0);
	int ready[2];
	CHECK(pipe(ready) == 0);
	pid_t child = fork();
	if (child == 0) {
		setsid();
		close(master);
		int tty = open(name, O_RDWR);
		CHECK(tty >= 0);
		handle(SIGWINCH, 0);
		handle(SIGINT, 0);
		// A background process that writes with TOSTOP, or reads, is stopped.
		pid_t background = fork();
		if (background == 0) {
			setpgid(0, 0);
			char c;
			read(tty, &c, 1);
			_exit(3);
		}
		CHECK(waitpid(background, &status, WUNTRACED) == background && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
		kill(background, SIGKILL);
		CHECK(waitpid(background, &status, 0) == background);
		CHECK(write(ready[1], "r", 1) == 1);
		wait_for(2);
		CHECK(write(ready[1], "s", 1) == 1);
		for (;;)
			pause(); // SIGHUP when the master closes.
	}
	char c;
	CHECK(read(ready[0], &c, 1) == 1 && c == 'r');
	struct winsize w = { .ws_row = 11, .ws_col = 22 };
	CHECK(ioctl(master, TIOCSWINSZ, &w) == 0);
	usleep(20000);
	CHECK(write(master, "\003", 1) == 1);
	CHECK(read(ready[0], &c, 1) == 1 && c == 's');
	close(master);
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
}

// And again and again: on a busy machine the first one may come before the call that it is to interrupt.
static void after(int ms)
{
	struct itimerval t = { .it_value = { .tv_usec = ms * 1000 }, .it_interval = { .tv_usec = ms ? 200000 : 0 } };
	CHECK(setitimer(ITIMER_REAL, &t, NULL) == 0);
}

static int with_flags(int flags, int (*call)(void))
{
	handle(SIGALRM, flags);
	after(30);
	errno = 0;
	int r = call(), error = errno;
	CHECK(count >= 1);
	after(0);
	return r == -1 ? error : 0;
}

static int sockets[2], pipes[2], lock_fd, listener, semaphores, queue, epoll;
static pid_t helper;
static char big[1 << 20];

static int call_recv(void) { char c; return (int)recv(sockets[0], &c, 1, 0); }
static int call_recvmsg(void) { struct msghdr m = { 0 }; return (int)recvmsg(sockets[0], &m, 0); }
static int call_accept(void) { return accept(listener, NULL, NULL); }
static int call_flock(void) { return flock(lock_fd, LOCK_EX); }
static int call_setlkw(void) { struct flock l = { .l_type = F_WRLCK }; return fcntl(lock_fd, F_SETLKW, &l); }
static int call_semop(void) { struct sembuf b = { 0, -1, 0 }; return semop(semaphores, &b, 1); }
static int call_msgrcv(void) { char b[64]; return (int)msgrcv(queue, b, 32, 0, 0); }
static int call_epoll(void) { struct epoll_event e; return epoll_wait(epoll, &e, 1, 5000); }
static int call_nanosleep(void) { return clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ 5, 0 }, NULL) ? (errno = EINTR, -1) : 0; }
static int call_select(void) { fd_set s; FD_ZERO(&s); FD_SET(pipes[0], &s); return select(pipes[0] + 1, &s, NULL, NULL, NULL); }

static void stop_waiting(void)
{
	kill(helper, SIGKILL);
	waitpid(helper, NULL, 0);
}

static void interruption(void)
{
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0 && pipe(pipes) == 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "socket" };
	unlink("socket");
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(bind(listener, (void *)&a, sizeof a) == 0 && listen(listener, 1) == 0);
	semaphores = semget(IPC_PRIVATE, 1, 0600), queue = msgget(IPC_PRIVATE, 0600), epoll = epoll_create1(0);
	CHECK(semaphores >= 0 && queue >= 0);
	lock_fd = open("lock", O_RDWR | O_CREAT, 0600);
	helper = fork();
	if (helper == 0) {
		int other = open("lock", O_RDWR);
		struct flock l = { .l_type = F_WRLCK };
		CHECK(flock(other, LOCK_EX) == 0 && fcntl(other, F_SETLKW, &l) == 0);
		CHECK(write(pipes[1], "x", 1) == 1);
		sleep(20); // Until stop_waiting.
		_exit(0);
	}
	char c;
	CHECK(read(pipes[0], &c, 1) == 1);
	static const struct { const char *name; int (*call)(void); } rows[] = {
		{ "recv", call_recv }, { "recvmsg", call_recvmsg }, { "accept", call_accept }, { "flock", call_flock },
		{ "semop", call_semop }, { "msgrcv", call_msgrcv }, { "epoll_wait", call_epoll }, { "clock_nanosleep", call_nanosleep },
		{ "select", call_select },
	};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		CHECK(with_flags(0, rows[i].call) == EINTR);
		if (rows[i].call == call_flock || rows[i].call == call_recv || rows[i].call == call_recvmsg || rows[i].call == call_accept)
			continue;
		CHECK(with_flags(SA_RESTART, rows[i].call) == EINTR);
	}
	stop_waiting();
	helper = fork();
	if (helper == 0) {
		int other = open("lock", O_RDWR);
		struct flock l = { .l_type = F_WRLCK };
		CHECK(flock(other, LOCK_EX) == 0 && fcntl(other, F_SETLKW, &l) == 0);
		CHECK(write(pipes[1], "x", 1) == 1);
		usleep(100000);
		CHECK(write(sockets[1], "a", 1) == 1);
		usleep(100000);
		int s = socket(AF_UNIX, SOCK_STREAM, 0);
		struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "socket" };
		CHECK(connect(s, (void *)&to, sizeof to) == 0);
		usleep(100000);
		_exit(0);
	}
	CHECK(read(pipes[0], &c, 1) == 1);
	CHECK(with_flags(SA_RESTART, call_recv) == 0);
	CHECK(with_flags(SA_RESTART, call_accept) == 0);
	CHECK(with_flags(SA_RESTART, call_setlkw) == 0);
	CHECK(waitpid(helper, NULL, 0) == helper);
	// A write that has begun returns what it wrote.
	handle(SIGALRM, SA_RESTART);
	after(30);
	ssize_t n = write(pipes[1], big, sizeof big);
	CHECK(n > 0 && n < (ssize_t)sizeof big && count >= 1);
	after(0);
	semctl(semaphores, 0, IPC_RMID), msgctl(queue, IPC_RMID, NULL);
	unlink("lock"), unlink("socket");
}

static void *wait_in_thread(void *arg)
{
	int signo;
	CHECK(sigwait(arg, &signo) == 0 && signo == SIGUSR2);
	return NULL;
}

static void *unblock_and_wait(void *arg)
{
	CHECK(pthread_sigmask(SIG_UNBLOCK, arg, NULL) == 0);
	wait_for(1);
	CHECK(handled_by == gettid());
	return NULL;
}

static void *ids(void *arg)
{
	while (!*(volatile int *)arg)
		usleep(1000);
	CHECK(geteuid() == 0 || geteuid() == getuid());
	return NULL;
}

static void change_mask(int signo, siginfo_t *i, void *context)
{
	(void)signo, (void)i;
	// What the handler leaves in the context is the mask afterwards.
	sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGHUP);
}

static void threads(void)
{
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	pthread_t t;
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	CHECK(pthread_create(&t, NULL, wait_in_thread, &s) == 0);
	usleep(10000);
	kill(getpid(), SIGUSR2);
	CHECK(pthread_join(t, NULL) == 0);
	handle(SIGUSR2, 0);
	CHECK(pthread_create(&t, NULL, unblock_and_wait, &s) == 0);
	usleep(10000);
	kill(getpid(), SIGUSR2);
	CHECK(pthread_join(t, NULL) == 0);
	pthread_sigmask(SIG_UNBLOCK, &s, NULL);
	// The C library changes ids in all threads by a signal of its own.
	volatile int go = 0;
	CHECK(pthread_create(&t, NULL, ids, (void *)&go) == 0);
	CHECK(setresuid(-1, getuid(), -1) == 0);
	go = 1;
	CHECK(pthread_join(t, NULL) == 0);
	struct sigaction a = { .sa_sigaction = change_mask, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR1, &a, NULL);
	raise(SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &s) == 0 && sigismember(&s, SIGHUP));
	sigemptyset(&s);
	sigprocmask(SIG_SETMASK, &s, NULL);
}

static ucontext_t main_context, other_context;
static int switches;
static void other(void)
{
	for (int i = 0; i < 10; i++) {
		switches++;
		swapcontext(&other_context, &main_context);
	}
}

static void contexts(void)
{
	static char stack[65536];
	getcontext(&other_context);
	other_context.uc_stack.ss_sp = stack;
	other_context.uc_stack.ss_size = sizeof stack;
	other_context.uc_link = &main_context;
	makecontext(&other_context, other, 0);
	for (int i = 0; i < 11; i++)
		swapcontext(&main_context, &other_context);
	CHECK(switches == 10);
}

int main(void)
{
	timers();
	puts("timers");
	descriptors();
	puts("descriptors");
	children();
	puts("children");
	terminal();
	puts("terminal");
	interruption();
	puts("interruption");
	threads();
	puts("threads");
	contexts();
	puts("contexts");
	return 0;
}
