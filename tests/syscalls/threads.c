// Threads as programs use them: creation in numbers, thread-local storage, cancellation, and every kind of mutex.
#include "../check.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static __thread int local = 42;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn, counter;
static atomic_int finished;

static void *add(void *arg)
{
	CHECK(local == 42);
	local = (int)(long)arg;
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	CHECK(local == (int)(long)arg);
	return (void *)((long)arg * 2);
}

static void *nothing(void *arg)
{
	finished++;
	return arg;
}

static void *ping(void *arg)
{
	int me = (int)(long)arg;
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % 2 != me)
			pthread_cond_wait(&cond, &mutex);
		turn++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void cleanup(void *arg)
{
	(*(int *)arg)++;
}

static int cleaned;
static void *sleeper(void *arg)
{
	pthread_cleanup_push(cleanup, &cleaned);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return arg;
}

static void *die_with(void *arg)
{
	CHECK(pthread_mutex_lock(arg) == 0);
	return NULL;
}

static void *try_timed(void *arg)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += 20000000;
	if (t.tv_nsec >= 1000000000)
		t.tv_sec++, t.tv_nsec -= 1000000000;
	CHECK(pthread_mutex_timedlock(arg, &t) == ETIMEDOUT);
	return NULL;
}

static void *increments(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		CHECK(pthread_mutex_lock(arg) == 0);
		counter++;
		CHECK(pthread_mutex_unlock(arg) == 0);
	}
	return NULL;
}

static pthread_key_t key;
static void destroy(void *value)
{
	CHECK(value == &key);
	finished++;
}
static void *with_key(void *arg)
{
	pthread_setspecific(key, &key);
	return arg;
}

static sem_t sem;
static void *poster(void *arg)
{
	for (int i = 0; i < 100; i++)
		sem_post(&sem);
	return arg;
}

static pid_t main_tid;
static void *identity(void *arg)
{
	(void)arg;
	CHECK(getpid() == main_tid && gettid() != main_tid);
	CHECK(syscall(SYS_tgkill, getpid(), gettid(), 0) == 0);
	char name[16] = "";
	CHECK(pthread_setname_np(pthread_self(), "worker") == 0);
	CHECK(pthread_getname_np(pthread_self(), name, sizeof name) == 0 && strcmp(name, "worker") == 0);
	return NULL;
}

static void *fork_from_thread(void *arg)
{
	pid_t child = fork();
	if (child == 0) {
		// The child has one thread, which can make others.
		pthread_t t;
		void *r;
		CHECK(gettid() == getpid());
		CHECK(pthread_create(&t, NULL, add, (void *)3L) == 0 && pthread_join(t, &r) == 0 && r == (void *)6L);
		_exit(9);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 9);
	return arg;
}

static void *exit_all(void *arg)
{
	(void)arg;
	exit(4);
}

static void *leave_later(void *arg)
{
	(void)arg;
	usleep(30000);
	puts("last thread");
	fflush(stdout);
	return NULL;
}

int main(void)
{
	pthread_t t[8];
	void *r;
	main_tid = gettid();
	for (long i = 0; i < 8; i++)
		CHECK(pthread_create(&t[i], NULL, add, (void *)i) == 0);
	for (long i = 0; i < 8; i++)
		CHECK(pthread_join(t[i], &r) == 0 && r == (void *)(i * 2));
	CHECK(counter == 8000 && local == 42);
	puts("mutex");

	for (int i = 0; i < 3000; i++) {
		CHECK(pthread_create(&t[0], NULL, nothing, NULL) == 0);
		CHECK(pthread_join(t[0], NULL) == 0);
	}
	CHECK(finished == 3000);
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 65536);
	for (int i = 0; i < 1000; i++)
		while (pthread_create(&t[0], &attr, nothing, NULL) != 0)
			usleep(1000);
	while (finished < 4000)
		usleep(1000);
	puts("thousands");

	CHECK(pthread_create(&t[0], NULL, ping, (void *)0L) == 0 && pthread_create(&t[1], NULL, ping, (void *)1L) == 0);
	pthread_join(t[0], NULL), pthread_join(t[1], NULL);
	CHECK(turn == 1000);
	puts("condition");

	CHECK(pthread_create(&t[0], NULL, sleeper, NULL) == 0);
	usleep(10000);
	CHECK(pthread_cancel(t[0]) == 0 && pthread_join(t[0], &r) == 0 && r == PTHREAD_CANCELED && cleaned == 1);
	puts("cancel");

	pthread_mutexattr_t ma;
	pthread_mutex_t m;
	for (int shared = 0; shared < 2; shared++) {
		pthread_mutexattr_init(&ma);
		pthread_mutexattr_setrobust(&ma, PTHREAD_MUTEX_ROBUST);
		pthread_mutexattr_setpshared(&ma, shared);
		CHECK(pthread_mutex_init(&m, &ma) == 0);
		CHECK(pthread_create(&t[0], NULL, die_with, &m) == 0 && pthread_join(t[0], NULL) == 0);
		CHECK(pthread_mutex_lock(&m) == EOWNERDEAD);
		CHECK(pthread_mutex_consistent(&m) == 0 && pthread_mutex_unlock(&m) == 0 && pthread_mutex_lock(&m) == 0);
		pthread_mutex_unlock(&m);
	}
	pid_t child;
#ifndef __arm__ // The emulator keeps the lists of 32-bit programs, and does not survive SIGKILL.
	// The owner is a process that is killed.
	pthread_mutex_t *in_map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(pthread_mutex_init(in_map, &ma) == 0);
	child = fork();
	if (child == 0) {
		pthread_mutex_lock(in_map);
		kill(getpid(), SIGKILL);
	}
	CHECK(waitpid(child, NULL, 0) == child);
	CHECK(pthread_mutex_lock(in_map) == EOWNERDEAD);
#endif
	puts("robust");

	pthread_mutexattr_init(&ma);
	pthread_mutexattr_setprotocol(&ma, PTHREAD_PRIO_INHERIT);
	CHECK(pthread_mutex_init(&m, &ma) == 0);
	counter = 0;
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, increments, &m) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	CHECK(counter == 8000);
	pthread_mutex_lock(&m);
	CHECK(pthread_create(&t[0], NULL, try_timed, &m) == 0);
	pthread_join(t[0], NULL);
	pthread_mutex_unlock(&m);
	puts("priority inheritance");

	finished = 0;
	pthread_key_create(&key, destroy);
	CHECK(pthread_create(&t[0], NULL, with_key, NULL) == 0 && pthread_join(t[0], NULL) == 0 && finished == 1);
	sem_init(&sem, 0, 0);
	CHECK(pthread_create(&t[0], NULL, poster, NULL) == 0);
	for (int i = 0; i < 100; i++)
		CHECK(sem_wait(&sem) == 0);
	pthread_join(t[0], NULL);
	CHECK(pthread_create(&t[0], NULL, identity, NULL) == 0 && pthread_join(t[0], NULL) == 0);
	CHECK(pthread_create(&t[0], NULL, fork_from_thread, NULL) == 0 && pthread_join(t[0], NULL) == 0);
	puts("fork");

	fflush(stdout);
	child = fork();
	if (child == 0) {
		pthread_create(&t[0], NULL, exit_all, NULL);
		for (;;)
			pause();
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 4);
	// The first thread may end before the others.
	CHECK(pthread_create(&t[0], NULL, leave_later, NULL) == 0);
	pthread_exit(NULL);
}
