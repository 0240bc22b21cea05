// Storms of forks: several threads fork, the children fork again, and all of them compute and allocate.
#include "soak.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { THREADS = 3, CHILDREN = 8 };
static uint64_t *results;

static uint64_t work_of(uint64_t number)
{
	unsigned char *memory = malloc(20000);
	memset(memory, number, 20000);
	uint64_t result = compute(number, 500) + memory[number % 20000];
	free(memory);
	return result;
}

static void wait_for(pid_t child)
{
	int status;
	CHECK(child > 0);
	while (waitpid(child, &status, 0) < 0)
		CHECK(errno == EINTR);
	CHECK(status == 7 << 8);
}

static void *forks(void *argument)
{
	uint64_t *to = argument;
	uint64_t number = *to;
	for (int i = 0; i < CHILDREN; i++) {
		pid_t child = fork();
		if (child == 0) {
			uint64_t mine = work_of(number + i);
			pid_t grandchild = fork();
			if (grandchild == 0) {
				to[i] = work_of(mine);
				_exit(7);
			}
			wait_for(grandchild);
			to[i] = mix(to[i], mine);
			_exit(7);
		}
		work_of(i);
		wait_for(child);
	}
	return 0;
}

static uint64_t one_round(unsigned seed)
{
	if (!results) {
		results = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		CHECK(results != MAP_FAILED);
	}
	pthread_t threads[THREADS];
	uint64_t hash = mix(5, seed);
	for (int i = 0; i < THREADS; i++) {
		results[i * CHILDREN] = mix(hash, i);
		CHECK(pthread_create(&threads[i], 0, forks, results + i * CHILDREN) == 0);
	}
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], 0) == 0);
	for (int i = 0; i < THREADS * CHILDREN; i++)
		hash = mix(hash, results[i]);
	return hash;
}
