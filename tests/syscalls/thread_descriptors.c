// A thread with a table of descriptors of its own: what its descriptors are is not looked up in the first thread's table, which /proc/self shows.
//@ host-flags: -static
#include "../check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

// A descriptor whose number is closed in the first thread's table.
static int opened(const char *path, int flags)
{
	int fd = open(path, flags);
	CHECK(fd >= 0);
	CHECK(dup2(fd, 150) == 150);
	return 150;
}

static void *looks(void *unused)
{
	CHECK(!unshare(CLONE_FILES));
	// Files of /proc that are the architecture's.
	struct utsname name;
	CHECK(!uname(&name));
	int fd = open("/proc/sys/kernel/arch", O_RDONLY);
	// Linux has the file since version 6.1.
	if (fd >= 0) {
		char text[80] = "";
		CHECK(read(fd, text, sizeof text - 1) > 0);
		text[strcspn(text, "\n")] = 0;
		CHECK(!strcmp(text, name.machine));
	}
	return unused;
}

static void *runs(void *flags)
{
	CHECK(!unshare(CLONE_FILES));
	int fd = opened("/proc/self/exe", (long)flags);
	char *args[] = {"x", "again", NULL}, *env[] = {NULL};
	fexecve(fd, args, env);
	CHECK(!"started");
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return !strcmp(argv[1], "again") ? 42 : 1;
	pthread_t thread;
	CHECK(!pthread_create(&thread, NULL, looks, NULL) && !pthread_join(thread, NULL));
	int flags[] = {O_RDONLY, O_RDONLY | O_CLOEXEC, O_PATH};
	for (int i = 0; i < 3; i++) {
		pid_t child = fork();
		CHECK(child >= 0);
		if (!child) {
			CHECK(!pthread_create(&thread, NULL, runs, (void *)(long)flags[i]));
			pthread_join(thread, NULL);
			_exit(1);
		}
		int status;
		CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
		CHECK(WEXITSTATUS(status) == 42);
	}
	puts("ok");
}
