// Forks and spawns from several threads at once while a timer's signal comes every millisecond.
#include "../check.h"
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char *self;
static atomic_int ticks;

static void tick(int signo)
{
	(void)signo;
	ticks++;
}

static int status_of(pid_t child)
{
	int status;
	while (waitpid(child, &status, 0) == -1)
		CHECK(errno == EINTR);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void *forks(void *arg)
{
	for (int i = 0; i < 60; i++) {
		pid_t child = fork();
		if (child == 0) {
			char *p = malloc(1000 + i);
			p[0] = (char)i;
			_exit(p[0]);
		}
		CHECK(child > 0 && status_of(child) == i);
	}
	return arg;
}

static void *spawns(void *arg)
{
	for (int i = 0; i < 30; i++) {
		char *argv[] = { self, "child", NULL };
		pid_t child;
		CHECK(posix_spawn(&child, self, NULL, NULL, argv, environ) == 0 && status_of(child) == 33);
	}
	return arg;
}

static void *short_lived(void *arg)
{
	free(malloc(100));
	return arg;
}

static void *creates(void *arg)
{
	pthread_t t;
	for (int i = 0; i < 300; i++)
		CHECK(pthread_create(&t, NULL, short_lived, NULL) == 0 && pthread_join(t, NULL) == 0);
	return arg;
}

int main(int argc, char **argv)
{
	self = getenv("TEST_SELF") ? getenv("TEST_SELF") : argv[0];
	if (argc == 2)
		return 33;
	struct sigaction a = { .sa_handler = tick, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &a, NULL);
	struct itimerval v = { { .tv_usec = 1000 }, { .tv_usec = 1000 } };
	setitimer(ITIMER_REAL, &v, NULL);
	void *(*work[])(void *) = { forks, forks, spawns, spawns, creates, creates };
	pthread_t t[6];
	for (int i = 0; i < 6; i++)
		CHECK(pthread_create(&t[i], NULL, work[i], NULL) == 0);
	for (int i = 0; i < 6; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	CHECK(ticks > 0);
	puts("done");
	return 0;
}
