// /proc tells about a process what is the program's: dispositions and masks of signals, seccomp,
// sizes, threads, flags of descriptors.
#include "../check.h"
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const names[] = { "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "Seccomp", "Seccomp_filters", "Threads" };

static void show(const char *what, const char *directory)
{
	char path[100], line[500], out[2000];
	uint64_t ignored = 0, caught = 0;
	int n = sprintf(out, "%s:", what);
	sprintf(path, "%s/status", directory);
	FILE *f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof line, f))
		for (int i = 0; i < 8; i++)
			if (strncmp(line, names[i], strlen(names[i])) == 0 && line[strlen(names[i])] == ':') {
				char *value = line + strlen(names[i]) + 2;
				value[strcspn(value, "\n")] = 0;
				uint64_t set = strtoull(value, NULL, 16);
				if (i == 3)
					ignored = set;
				// The C library's own signals.
				if (i == 4)
					sprintf(value, "%016llx", (unsigned long long)(caught = set & ~(7ull << 31)));
				n += sprintf(out + n, " %s %s", names[i], value);
			}
	fclose(f);
	// stat has the lower halves.
	sprintf(path, "%s/stat", directory);
	CHECK((f = fopen(path, "r")) && fgets(line, sizeof line, f) && fclose(f) == 0);
	char *field = strrchr(line, ')') + 1;
	for (int i = 3; i <= 34; i++, field = strchr(field + 1, ' '))
		if (i == 33)
			CHECK(strtoull(field, NULL, 10) == (ignored & 0x7fffffff));
		else if (i == 34)
			CHECK(strtoull(field, NULL, 10) == (caught & 0x7fffffff));
	puts(out);
	fflush(stdout);
}

static void handler(int signo) { (void)signo; }

static void filter(void)
{
	struct sock_filter f[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { 1, f };
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static unsigned long status_kb(const char *name)
{
	char line[500];
	unsigned long kb = 0;
	FILE *f = fopen("/proc/self/status", "r");
	while (fgets(line, sizeof line, f))
		if (strncmp(line, name, strlen(name)) == 0)
			kb = strtoul(line + strlen(name) + 1, NULL, 10);
	fclose(f);
	return kb;
}

static void sizes(void)
{
	unsigned long before[3], after[3], pages[7];
	const char *rows[] = { "VmSize", "VmData", "VmPeak" };
	for (int i = 0; i < 3; i++)
		before[i] = status_kb(rows[i]);
	// A static program of a few pages and its libraries: what an emulator needs besides is not
	// the program's.
	CHECK(before[0] > 100 && before[0] < 64 << 10 && before[1] < 32 << 10 && before[2] >= before[0] && before[2] < 64 << 10);
	CHECK(mmap(0, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	CHECK(mmap(0, 16 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	for (int i = 0; i < 3; i++)
		after[i] = status_kb(rows[i]);
	CHECK(after[0] - before[0] == 80 << 10 && after[1] - before[1] == 64 << 10);
	FILE *f = fopen("/proc/self/statm", "r");
	CHECK(fscanf(f, "%lu %lu %lu %lu %lu %lu %lu", pages, pages + 1, pages + 2, pages + 3, pages + 4, pages + 5, pages + 6) == 7 && fclose(f) == 0);
	CHECK(pages[0] * 4 - after[0] < 1024 && pages[5] * 4 >= after[1] && pages[5] * 4 < after[1] + 16384);
}

static void descriptor(const char *what, int fd)
{
	char path[64], line[200];
	unsigned flags = 0;
	CHECK(fd >= 0);
	sprintf(path, "/proc/self/fdinfo/%d", fd);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	CHECK(f && fclose(f) == 0);
	CHECK((flags & ~O_CLOEXEC) == (unsigned)fcntl(fd, F_GETFL));
	CHECK(!!(flags & O_CLOEXEC) == fcntl(fd, F_GETFD));
	printf("%s: directory %d nofollow %d direct %d\n", what, !!(flags & O_DIRECTORY), !!(flags & O_NOFOLLOW), !!(flags & O_DIRECT));
}

static sem_t started, go;

static void *thread(void *unused)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sem_post(&started);
	sem_wait(&go);
	return unused;
}

static int links(void)
{
	struct stat st;
	CHECK(stat("/proc/self/task", &st) == 0);
	return st.st_nlink;
}

int main(void)
{
	char path[100];
	show("start", "/proc/self");
	signal(SIGSEGV, handler);
	signal(SIGUSR1, handler);
	signal(SIGTRAP, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	show("handlers", "/proc/self");
	show("the thread's", "/proc/thread-self");
	signal(SIGSEGV, SIG_DFL);
	signal(SIGILL, handler);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGFPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGTERM);
	kill(getpid(), SIGBUS);
	syscall(SYS_tgkill, getpid(), (int)syscall(SYS_gettid), SIGFPE);
	show("blocked and pending", "/proc/self");
	sprintf(path, "/proc/%d/task/%d", getpid(), getpid());
	show("by number", path);
	// A child as its parent sees it.
	int ready[2], done[2];
	char byte;
	CHECK(pipe(ready) == 0 && pipe(done) == 0);
	pid_t child = fork();
	if (child == 0) {
		signal(SIGFPE, SIG_IGN);
		signal(SIGTRAP, SIG_DFL);
		show("forked", "/proc/self");
		_exit(write(ready[1], "x", 1) != 1 || read(done[0], &byte, 1) != 1);
	}
	CHECK(read(ready[0], &byte, 1) == 1);
	char line[500];
	sprintf(path, "/proc/%d/status", child);
	FILE *f = fopen(path, "r");
	while (fgets(line, sizeof line, f))
		if (strncmp(line, "SigIgn", 6) == 0)
			printf("child: %s", line);
		else if (strncmp(line, "SigCgt", 6) == 0)
			printf("child: SigCgt %016lx\n", strtoul(line + 7, NULL, 16) & ~(7ul << 31));
		else if (strncmp(line, "VmSize", 6) == 0)
			CHECK(strtoul(line + 7, NULL, 10) < 64 << 10);
	fclose(f);
	CHECK(write(done[1], "x", 1) == 1 && wait(NULL) == child);
	sizes();
	descriptor("directory", open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	descriptor("file", open("/etc/passwd", O_RDONLY | O_NOFOLLOW));
	descriptor("generated", open("/proc/cpuinfo", O_RDONLY));
	int pipes[2];
	CHECK(pipe2(pipes, O_DIRECT) == 0);
	descriptor("pipe of packets", pipes[1]);
	// Threads come and go.
	CHECK(sem_init(&started, 0, 0) == 0 && sem_init(&go, 0, 0) == 0);
	pthread_t id;
	int before = links();
	CHECK(pthread_create(&id, NULL, thread, NULL) == 0);
	sem_wait(&started);
	printf("links of task: %d, with a thread %d\n", before, links());
	filter();
	filter();
	show("filters", "/proc/self");
	sem_post(&go);
	CHECK(pthread_join(id, NULL) == 0);
	for (int i = 0; i < 5000 && links() != before; i++)
		usleep(1000);
	printf("afterwards: %d\n", links());
	return 0;
}
