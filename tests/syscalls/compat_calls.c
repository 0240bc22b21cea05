// Calls whose structures, sizes or numbers are others for a program of 32 bits, each with what does not fit.
//@ narrow
//@ variants: static
//@ flags: -lrt
#include "../say.h"
#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void limits(void)
{
	struct { unsigned long now, most; } narrow;
	struct rlimit64 wide;
	for (int i = 0; i < 16; i++) {
		// What is mapped and locked is the emulator's too.
		if (i == RLIMIT_NOFILE || i == RLIMIT_SIGPENDING || i == RLIMIT_NPROC)
			continue;
		SAY(syscall(SYS_ugetrlimit, i, &narrow));
		printf("%d: %lx %lx\n", i, narrow.now, narrow.most);
	}
	wide.rlim_cur = 1ll << 40, wide.rlim_max = 1ll << 41;
	SAY(prlimit64(0, RLIMIT_FSIZE, &wide, NULL));
	SAY(syscall(SYS_ugetrlimit, RLIMIT_FSIZE, &narrow));
	printf("%lx %lx\n", narrow.now, narrow.most);
	narrow.now = narrow.most = 0xfffffffe;
	SAY(syscall(SYS_setrlimit, RLIMIT_CORE, &narrow));
	SAY(prlimit64(0, RLIMIT_CORE, NULL, &wide));
	SAY(wide.rlim_max);
}

static void processes(void)
{
	unsigned long words[4] = {0};
	const unsigned sizes[] = {0, 1, 2, 4, 6, 8, 12, 16};
	for (int i = 0; i < 8; i++) {
		SAY(syscall(SYS_sched_getaffinity, 0, sizes[i], words));
		if (sizes[i] % 4 == 0 && sizes[i])
			SAY(syscall(SYS_sched_setaffinity, 0, sizes[i], words));
	}
	struct sysinfo info;
	SAY(sysinfo(&info));
	SAY(info.mem_unit);
	SAY((long long)info.totalram * info.mem_unit >> 28);
	void *address[4];
	memset(address, 7, sizeof address);
	SAY(prctl(PR_GET_TID_ADDRESS, address));
	printf("%p %p\n", address[1], address[2]);
	char vector[4000];
	int size = prctl(0x41555856 /* PR_GET_AUXV */, vector, sizeof vector, 0, 0);
	SAY(size == -1 || size % 8 == 0 && size < 1000);
	int fd = open("/proc/self/auxv", O_RDONLY);
	char read_vector[4000] = {0};
	int length = read(fd, read_vector, sizeof read_vector);
	SAY(size == -1 || memcmp(vector, read_vector, length) == 0);
	SAY(size == -1 || prctl(0x41555856, vector, 8, 0, 0) == size);
	SAY(prctl(0x41555856, vector, 8, 0, 1));
	unsigned lists[3];
	void *head;
	SAY(syscall(SYS_get_robust_list, 0, &head, lists));
	SAY(lists[0]);
	SAY(syscall(SYS_set_robust_list, head, 24));
	siginfo_t child;
	pid_t pid = fork();
	if (pid == 0)
		_exit(9);
	SAY(waitid(P_PID, pid, &child, WEXITED));
	printf("%d %d %d\n", child.si_code, child.si_status, child.si_pid == pid);
	if (getuid() == 0) {
		// Ids that do not fit into 16 bits.
		unsigned short narrow[6] = {5, 0xfffe, 7};
		SAY(setgroups(5, (gid_t[]){70000, 5, 65535, 65536, 6}));
		SAY(syscall(SYS_getgroups, 6, narrow));
		for (int i = 0; i < 5; i++)
			printf("%u ", narrow[i]);
		puts("");
		narrow[0] = 5, narrow[1] = 0xfffe, narrow[2] = 7;
		SAY(syscall(SYS_setgroups, 3, narrow));
		gid_t wide[6];
		SAY(getgroups(6, wide));
		printf("%u %u %u\n", wide[0], wide[1], wide[2]);
		narrow[1] = 0xffff;
		SAY(syscall(SYS_setgroups, 3, narrow));
		SAY(setresgid(70000, 0, 80000));
		unsigned short three[6] = {1, 1, 1, 1, 1, 1};
		SAY(syscall(SYS_getresgid, three, three + 2, three + 4));
		for (int i = 0; i < 6; i++)
			printf("%u ", three[i]);
		puts("");
		SAY(setresgid(0, 0, 0));
	}
}

static void pieces(void)
{
	char bytes[16];
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY);
	struct iovec two[2] = {{bytes, 0x7fffffff}, {bytes, 0x7fffffff}};
	SAY(writev(null, two, 2));
	two[1].iov_len = 0x80000000;
	SAY(writev(null, two, 2));
	SAY(preadv(zero, two + 1, 1, 0));
	SAY(process_vm_readv(getpid(), two + 1, 1, two, 1, 0));
	SAY(vmsplice(null, two + 1, 1, 0));
	SAY(write(null, bytes, 0x7fffffff));
	SAY(write(null, bytes, 0x80000000));
	SAY(read(zero, (void *)0xfffff000, 10));
	SAY(read(zero, (void *)0xfffffff0, 100));
	SAY(write(null, (void *)0xfffffff0, 100));
}

static void ipc(void)
{
	struct shminfo all;
	SAY(shmctl(0, IPC_INFO, (void *)&all) >= 0);
	SAY(all.shmmax <= 0x7fffffff);
	int id = shmget(IPC_PRIVATE, 12345, IPC_CREAT | 0600);
	struct shmid_ds segment;
	SAY(shmctl(id, IPC_STAT, &segment));
	SAY(segment.shm_segsz);
	SAY(shmctl(id, IPC_RMID, NULL));
	id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	struct { long type; char text[8]; } m = {-1, ""};
	SAY(msgsnd(id, &m, 8, 0));
	m.type = 0x7fffffff;
	SAY(msgsnd(id, &m, 8, 0));
	SAY(msgsnd(id, &m, -1, 0));
	SAY(msgrcv(id, &m, 4, 0, 0));
	SAY(msgrcv(id, &m, 8, -0x7fffffff - 1, 0));
	SAY(m.type);
	SAY(msgctl(id, IPC_RMID, NULL));
	id = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600);
	SAY(semctl(id, 0, 999, &segment));
	SAY(semctl(id, 0, IPC_RMID));
}

static void times(void)
{
	struct { long long seconds; long nanoseconds, beside; } t[2] = {{5000000000ll, 5, -1}, {6000000000ll, 7, -1}};
	int fd = open("stamp", O_CREAT | O_RDWR, 0600);
	struct stat narrow;
	struct stat64 wide;
	SAY(syscall(SYS_utimensat_time64, AT_FDCWD, "stamp", t, 0));
	SAY(fstat(fd, &narrow));
	SAY(fstat64(fd, &wide));
	struct timespec bad = {0, 1000000000};
	SAY(nanosleep(&bad, NULL));
	SAY(nanosleep(&(struct timespec){-1, 0}, NULL));
	SAY(syscall(SYS_futex, &fd, 0, fd, &bad, NULL, 0));
	SAY(syscall(SYS_futex, (char *)&fd + 1, 0, fd, NULL, NULL, 0));
	SAY(syscall(SYS_futex, 0xfffffffc, 0, fd, NULL, NULL, 0));
	SAY(syscall(SYS_pselect6, 0, NULL, NULL, NULL, (long[2]){0, 1000}, (long[2]){0, 8}));
	SAY(syscall(SYS_pselect6, 0, NULL, NULL, NULL, (long[2]){0, 1000}, (long[2]){(long)&bad, 4}));
	// Without a set of signals nobody looks at its size.
	SAY(syscall(SYS_ppoll, NULL, 0, (long[2]){0, 1000}, NULL, 0));
	SAY(syscall(SYS_ppoll_time64, NULL, 0, (long long[2]){0, 1000}, NULL, 0));
	SAY(syscall(SYS_ppoll, NULL, 0, (long[2]){0, 1000}, (long[2]){0}, 4));
	SAY(syscall(SYS_pselect6, 0, NULL, NULL, NULL, (long[2]){0, 1000}, (long[2]){0, 0}));
	SAY(syscall(SYS_rt_sigprocmask, 0, NULL, NULL, 4));
	SAY(syscall(SYS_rt_sigpending, NULL, 16));
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	t[1].seconds = 0x100000000ll;
	memset(&t[0], 0, sizeof t[0]);
	SAY(syscall(SYS_timerfd_settime64, timer, 0, t, NULL));
	SAY(syscall(SYS_timerfd_gettime64, timer, t));
	SAY(t[1].seconds);
	t[1].nanoseconds = 1000000000;
	SAY(syscall(SYS_timerfd_settime64, timer, 0, t, NULL));
	SAY(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 1000000}}, NULL));
	SAY(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {-1, 0}}, NULL));
}

int main(void)
{
	limits();
	processes();
	pieces();
	ipc();
	times();
	return 0;
}
