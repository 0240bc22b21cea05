// Threads that come and go: short ones, ones that are cancelled, ones that wait for each other, and the threads of timers.
#include "soak.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

static _Thread_local uint64_t own;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static int turn;
static uint64_t in_turn;

static void *brief(void *argument)
{
	own = (uintptr_t)argument;
	char *memory = malloc(1000 + own % 5000);
	memset(memory, own, 1000);
	own = compute(own, 300) + memory[999];
	free(memory);
	return (void *)(uintptr_t)own;
}

static void *waits(void *argument)
{
	pause();
	return argument;
}

// The threads add to one sum in the order of their numbers.
static void *takes_turns(void *argument)
{
	int me = (int)(uintptr_t)argument;
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 10; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % 4 != me)
			pthread_cond_wait(&changed, &mutex);
		in_turn = mix(in_turn, me);
		turn++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&mutex);
	}
	return 0;
}

static sem_t fired;
static void at_expiry(union sigval value)
{
	(void)value;
	sem_post(&fired);
}

static uint64_t one_round(unsigned seed)
{
	uint64_t hash = mix(2, seed);
	pthread_t all[64];
	pthread_attr_t small;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 << 10);
	for (int repeat = 0; repeat < 4; repeat++) {
		for (int i = 0; i < 64; i++)
			CHECK(pthread_create(&all[i], &small, i % 4 ? brief : waits, (void *)(uintptr_t)mix(hash, i)) == 0);
		for (int i = 0; i < 64; i += 4)
			CHECK(pthread_cancel(all[i]) == 0);
		for (int i = 0; i < 64; i++) {
			void *result;
			CHECK(pthread_join(all[i], &result) == 0);
			CHECK(i % 4 || result == PTHREAD_CANCELED);
			hash = mix(hash, i % 4 ? (uintptr_t)result : 0);
		}
	}
	pthread_attr_destroy(&small);

	turn = 0;
	in_turn = seed;
	pthread_barrier_init(&barrier, 0, 4);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&all[i], 0, takes_turns, (void *)(uintptr_t)i) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(all[i], 0) == 0);
	pthread_barrier_destroy(&barrier);
	hash = mix(hash, in_turn);

	// Each expiry is a thread of its own, which ends by itself.
	sem_init(&fired, 0, 0);
	timer_t timer;
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = at_expiry };
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	struct itimerspec once = { .it_value.tv_nsec = 100000 };
	for (int i = 0; i < 10; i++) {
		CHECK(timer_settime(timer, 0, &once, 0) == 0);
		while (sem_wait(&fired))
			CHECK(errno == EINTR);
	}
	CHECK(timer_delete(timer) == 0);
	return hash;
}
