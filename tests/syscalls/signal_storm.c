// Many signals against many threads: none lost, none at the wrong thread, nothing disturbed.
//@ glibc: musl has no pthread_sigqueue
#include "../check.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 500 };

static atomic_int received, stop, ready;
static __thread volatile int mine;
static atomic_int per_thread[THREADS];
static __thread int index_of_mine = -1;

static void on_signal(int signo, siginfo_t *info, void *context)
{
	(void)context;
	CHECK(signo == SIGRTMIN && info->si_code == SI_QUEUE);
	mine++;
	int sum = 0;
	for (int i = 0; i < 100; i++)
		sum += i * mine;
	CHECK(sum == 4950 * mine);
	if (index_of_mine >= 0)
		per_thread[index_of_mine]++;
	received++;
}

static void *work(void *arg)
{
	index_of_mine = (int)(long)arg;
	ready++;
	unsigned long n = 0;
	struct timespec t = { .tv_nsec = 100000 };
	while (!stop) {
		uint64_t a = 1, b = 1;
		for (int i = 0; i < 60; i++) {
			uint64_t c = a + b;
			a = b, b = c;
		}
		CHECK(b == 4052739537881u);
		char *p = malloc(100 + n % 1000);
		p[0] = 1;
		free(p);
		if (n++ % 16 == 0)
			nanosleep(&t, NULL);
	}
	return NULL;
}

int main(void)
{
	struct sigaction a = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigaction(SIGRTMIN, &a, NULL);
	pthread_t threads[THREADS];
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
	while (ready < THREADS)
		usleep(1000);
	int sent = 0;
	for (int i = 0; i < ROUNDS; i++)
		for (int t = 0; t < THREADS; t++)
			while (pthread_sigqueue(threads[t], SIGRTMIN, (union sigval){ .sival_int = i }) != 0)
				usleep(1000);
	sent = ROUNDS * THREADS;
	// Process-directed ones go to anybody.
	for (int i = 0; i < ROUNDS; i++)
		while (sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i }) != 0)
			usleep(1000);
	sent += ROUNDS;
	for (int i = 0; i < 5000 && received < sent; i++)
		usleep(1000);
	CHECK(received == sent);
	stop = 1;
	for (int i = 0; i < THREADS; i++) {
		CHECK(pthread_join(threads[i], NULL) == 0);
		CHECK(per_thread[i] >= ROUNDS);
	}
	printf("%d received\n", received);
	return 0;
}
