// futex(2) itself, below the C library.
//@ glibc: musl registers its robust list only when it needs one
#include "../check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

static atomic_uint word, other, awake;

static long futex(void *address, int op, unsigned value, void *timeout, void *address2, unsigned value3)
{
	return syscall(SYS_futex, address, op, value, timeout, address2, value3);
}

static void *waiter(void *arg)
{
	while (word == 0)
		futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	awake++;
	return arg;
}

static void *requeued(void *arg)
{
	CHECK(futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == 0);
	awake++;
	return arg;
}

static void *bits(void *arg)
{
	CHECK(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (unsigned)(long)arg) == 0);
	awake += (unsigned)(long)arg;
	return arg;
}

static void nop(int signo)
{
	(void)signo;
}

static void sleep_until(unsigned n)
{
	for (int i = 0; i < 3000 && awake < n; i++)
		usleep(1000);
	CHECK(awake == n);
}

int main(void)
{
	pthread_t t[4];
	struct timespec little = { .tv_nsec = 10000000 };
	word = 1;
	FAILS(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0), EAGAIN);
	FAILS(futex(&word, FUTEX_WAIT, 1, &little, NULL, 0), ETIMEDOUT);
	FAILS(futex((char *)&word + 1, FUTEX_WAIT, 1, NULL, NULL, 0), EINVAL);
	FAILS(futex((void *)8, FUTEX_WAIT, 1, NULL, NULL, 0), EFAULT);
	FAILS(futex(&word, 77, 1, NULL, NULL, 0), ENOSYS);
	CHECK(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0) == 0);
	struct timespec past = { 1, 0 };
	FAILS(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &past, NULL, ~0u), ETIMEDOUT);
	puts("errors");

	word = 0;
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, waiter, NULL);
	usleep(20000);
	CHECK(awake == 0);
	word = 1;
	futex(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	CHECK(awake == 4);
	puts("wake");

	word = awake = 0;
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, requeued, NULL);
	usleep(50000);
	CHECK(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)10L, &other, 0) == 3);
	sleep_until(1);
	CHECK(futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0) == 2);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	puts("requeue");

	awake = 0;
	pthread_create(&t[0], NULL, bits, (void *)1L);
	pthread_create(&t[1], NULL, bits, (void *)2L);
	usleep(50000);
	CHECK(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 2) == 1);
	sleep_until(2);
	CHECK(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 1) == 1);
	pthread_join(t[0], NULL), pthread_join(t[1], NULL);
	puts("bitset");

	other = 3;
	// word += 2; wake one of word; wake one of other if its old value was 3.
	CHECK(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &other, FUTEX_OP(FUTEX_OP_ADD, 2, FUTEX_OP_CMP_EQ, 3)) == 0);
	CHECK(other == 5);

	// Interrupted by a handler; restarted with SA_RESTART until the time is up.
	struct sigaction a = { .sa_handler = nop };
	sigaction(SIGALRM, &a, NULL);
	struct itimerval timer = { .it_value = { .tv_usec = 10000 } };
	setitimer(ITIMER_REAL, &timer, NULL);
	FAILS(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0), EINTR);
	puts("interrupted");

	// PI, and between processes.
	unsigned *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(futex(shared, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0 && *shared == (unsigned)gettid());
	pid_t child = fork();
	if (child == 0) {
		FAILS(futex(shared, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), EAGAIN);
		CHECK(futex(shared, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0);
		_exit((*shared & FUTEX_TID_MASK) == (unsigned)gettid() ? 0 : 1);
	}
	usleep(30000);
	CHECK(futex(shared, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	puts("priority inheritance");

	struct { uint64_t value, address; uint32_t flags, reserved; } waitv[2] = {
		{ 0, (uint64_t)(uintptr_t)&word, 2 | 128, 0 },
		{ 5, (uint64_t)(uintptr_t)&other, 2 | 128, 0 },
	};
	struct timespec deadline;
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	errno = 0;
	long r = syscall(SYS_futex_waitv, waitv, 2, 0, &deadline, CLOCK_MONOTONIC);
	CHECK(r == -1 && (errno == ETIMEDOUT || errno == ENOSYS));

	void *head;
	size_t length;
	CHECK(syscall(SYS_get_robust_list, 0, &head, &length) == 0 && head != NULL && length == 3 * sizeof(long));
	puts("robust list");
	return 0;
}
