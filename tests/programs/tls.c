// Thread-local storage in all of its forms, thread-specific data with destructors, many threads.
//@ variants: static static-pie dynamic no-pie musl musl-static-pie musl-dynamic interp
#include "../check.h"
#include <pthread.h>

static __thread int zero;
static __thread int start = 42;
__thread struct { long a[100]; char name[16]; } block = { { 1, 2, 3 }, "initial" };
static pthread_key_t key;
static int destroyed;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int onces;

static void destroy(void *p)
{
	pthread_mutex_lock(&mutex);
	destroyed += (long)p;
	pthread_mutex_unlock(&mutex);
}
static void first(void) { onces++; }

static void *body(void *arg)
{
	long id = (long)arg;
	pthread_once(&once, first);
	CHECK(zero == 0 && start == 42 && block.a[2] == 3 && block.a[99] == 0 && strcmp(block.name, "initial") == 0);
	zero = id, start += id, block.a[99] = id;
	snprintf(block.name, sizeof block.name, "t%ld", id);
	pthread_setspecific(key, (void *)id);
	errno = id;
	sched_yield();
	CHECK(errno == id);
	CHECK(zero == id && start == 42 + id && block.a[99] == id && pthread_getspecific(key) == (void *)id);
	return (void *)(id * 3);
}

int main(void)
{
	long sum = 0;
	CHECK(pthread_key_create(&key, destroy) == 0);
	for (int round = 0; round < 10; round++) {
		pthread_t t[20];
		for (long i = 0; i < 20; i++)
			CHECK(pthread_create(&t[i], 0, body, (void *)(i + 1)) == 0);
		for (int i = 0; i < 20; i++) {
			void *r;
			CHECK(pthread_join(t[i], &r) == 0);
			sum += (long)r;
		}
	}
	printf("%ld %d %d %d %s\n", sum, destroyed, onces, start, block.name);
	return 0;
}
