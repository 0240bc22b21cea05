// Storms of signals: timers and another thread interrupt computation, its handlers run on an alternate stack and nest, some leave by siglongjmp,
// and a child stops and continues the program meanwhile. The results must be those of undisturbed computation.
#include "soak.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static sigjmp_buf back;
static volatile sig_atomic_t may_jump, jumps, outer, nested, faults, ended;
static char *guarded;
static char alternate[64 << 10];

static int on_alternate(void)
{
	char here;
	return &here >= alternate && &here < alternate + sizeof alternate;
}

static void by_timer(int number)
{
	(void)number;
	CHECK(on_alternate());
	outer++;
	raise(SIGUSR2);
}

static void inside(int number)
{
	(void)number;
	nested++;
}

static void leaves(int number)
{
	(void)number;
	if (may_jump) {
		may_jump = 0;
		jumps++;
		siglongjmp(back, 1);
	}
}

// Lets the access pass.
static void at_fault(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	CHECK((char *)info->si_addr == guarded);
	CHECK(mprotect(guarded, 4096, PROT_READ | PROT_WRITE) == 0);
	faults++;
}

static void *storm(void *argument)
{
	pthread_t target = *(pthread_t *)argument;
	for (int i = 0; !ended; i++) {
		pthread_kill(target, i % 3 ? SIGUSR1 : SIGUSR2);
		if (i % 16 == 0)
			usleep(200);
	}
	return 0;
}

static void handle(int number, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	CHECK(sigaction(number, &action, 0) == 0);
}

static timer_t every(int number, long nanoseconds)
{
	timer_t timer;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = number };
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	struct itimerspec interval = { { 0, nanoseconds }, { 0, nanoseconds } };
	CHECK(timer_settime(timer, 0, &interval, 0) == 0);
	return timer;
}

static uint64_t one_round(unsigned seed)
{
	uint64_t hash = mix(3, seed);
	if (!guarded) {
		guarded = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(guarded != MAP_FAILED);
		stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
		CHECK(sigaltstack(&stack, 0) == 0);
		handle(SIGRTMIN, by_timer, SA_ONSTACK | SA_RESTART);
		handle(SIGUSR1, inside, SA_RESTART);
		handle(SIGUSR2, inside, SA_RESTART | SA_ONSTACK | SA_NODEFER);
		handle(SIGRTMIN + 1, leaves, SA_ONSTACK);
		struct sigaction action = { .sa_sigaction = at_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
		CHECK(sigaction(SIGSEGV, &action, 0) == 0);
	}
	ended = 0;
	jumps = outer = faults = 0;
	pthread_t me = pthread_self(), thread;
	// The thread begins with everything blocked: signals of the process are for this one.
	sigset_t all, none;
	sigfillset(&all);
	sigemptyset(&none);
	pthread_sigmask(SIG_BLOCK, &all, 0);
	CHECK(pthread_create(&thread, 0, storm, &me) == 0);
	pthread_sigmask(SIG_SETMASK, &none, 0);
	timer_t timers[] = { every(SIGRTMIN, 300000), every(SIGRTMIN + 1, 770000) };
	pid_t child = fork();
	if (child == 0) {
		for (int i = 0; i < 20; i++) {
			kill(getppid(), SIGSTOP);
			usleep(500);
			kill(getppid(), SIGCONT);
			usleep(500);
		}
		_exit(0);
	}
	CHECK(child > 0);
	// Until everything has happened often enough.
	for (volatile int i = 0; i < 30 || jumps < 5 || outer < 20; i++) {
		if (sigsetjmp(back, 1) == 0) {
			may_jump = 1;
			compute(1, 20000);
			may_jump = 0;
		}
		may_jump = 0;
		uint64_t want = mix(hash, 77);
		for (int k = 0; k < 500; k++)
			want = mix(want, k);
		uint64_t got = compute(mix(hash, 77), 500);
		CHECK(got == want);
		CHECK(mprotect(guarded, 4096, PROT_NONE) == 0);
		sig_atomic_t before = faults;
		*(volatile char *)guarded = (char)i;
		CHECK(faults == before + 1);
	}
	int status;
	while (waitpid(child, &status, 0) < 0)
		CHECK(errno == EINTR);
	CHECK(status == 0);
	for (int i = 0; i < 2; i++)
		CHECK(timer_delete(timers[i]) == 0);
	ended = 1;
	CHECK(pthread_join(thread, 0) == 0);
	return compute(hash, 1000);
}
