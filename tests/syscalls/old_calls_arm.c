// The calls that a program built without large files and 64-bit times makes, with the structures of a 32-bit kernel, by number: what does not fit fails as there.
//@ guest-only: arm
//@ glibc: musl names the calls of 32-bit times otherwise, and has no structures for them
//@ arm-flags: -U_FILE_OFFSET_BITS -U_TIME_BITS
#include "../check.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAR 0x345678000ll
// A number of 64 bits in the two registers that a call has for it.
#define PAIR(n) (long)(n), (long)((n) >> 32)

static void files(void)
{
	int fd = syscall(SYS_open, "sparse", O_RDWR | O_CREAT | O_LARGEFILE, 0600);
	CHECK(fd >= 0);
	// pwrite64, pread64: the pair begins at an even register.
	CHECK(syscall(SYS_pwrite64, fd, "far away", 9, 0, PAIR(FAR)) == 9);
	char text[16];
	CHECK(syscall(SYS_pread64, fd, text, 9, 0, PAIR(FAR)) == 9 && strcmp(text, "far away") == 0);
	// preadv: the halves in one order, no matter where.
	struct iovec v = {text, 4};
	CHECK(syscall(SYS_preadv, fd, &v, 1, PAIR(FAR + 4)) == 4 && memcmp(text, "away", 4) == 0);

	struct stat64 st64;
	CHECK(syscall(SYS_fstat64, fd, &st64) == 0 && st64.st_size == FAR + 9 && st64.st_blksize == 4096 && S_ISREG(st64.st_mode));
	CHECK(syscall(SYS_stat64, "sparse", &st64) == 0 && st64.st_size == FAR + 9 && st64.st_nlink == 1);
	CHECK(syscall(SYS_fstatat64, AT_FDCWD, "sparse", &st64, 0) == 0 && st64.st_size == FAR + 9);
	unsigned long st[16 + 2];
	FAILS(syscall(SYS_stat, "sparse", st), EOVERFLOW);
	FAILS(syscall(SYS_fstat, fd, st), EOVERFLOW);

	uint64_t at = 0;
	CHECK(syscall(SYS__llseek, fd, (long)(FAR >> 32), (long)FAR, &at, SEEK_SET) == 0 && at == FAR);
	FAILS(syscall(SYS_lseek, fd, 0, SEEK_CUR), EOVERFLOW);
	CHECK(syscall(SYS_lseek, fd, 0x7fffffff, SEEK_SET) == 0x7fffffff);
	CHECK(syscall(SYS__llseek, fd, -1l, -1l, &at, SEEK_CUR) == 0 && at == 0x7ffffffe);
	FAILS(syscall(SYS_lseek, fd, -5, SEEK_SET), EINVAL);
	CHECK(syscall(SYS_ftruncate64, fd, 0, PAIR(FAR - 7)) == 0 && syscall(SYS_fstat64, fd, &st64) == 0 && st64.st_size == FAR - 7);
	CHECK(syscall(SYS_truncate64, "sparse", 0, PAIR(1ll << 33)) == 0 && syscall(SYS_fstat64, fd, &st64) == 0 && st64.st_size == 1ll << 33);
	close(fd);
	// Without O_LARGEFILE such a file is not opened.
	FAILS(syscall(SYS_open, "sparse", O_RDWR), EOVERFLOW);
	CHECK(syscall(SYS_ftruncate, fd = open("small", O_RDWR | O_CREAT, 0600), 5) == 0);
	FAILS(syscall(SYS_ftruncate, fd, -1), EINVAL);
	CHECK(syscall(SYS_fallocate, fd, 0, PAIR(0ll), PAIR(4096ll)) == 0 || errno == EOPNOTSUPP);
	CHECK(syscall(SYS_arm_fadvise64_64, fd, POSIX_FADV_DONTNEED, PAIR(0ll), PAIR(FAR)) == 0);
	CHECK(syscall(SYS_sync_file_range2, fd, 2, PAIR(0ll), PAIR(4096ll)) == 0 || errno == ENOSYS);
	CHECK(syscall(SYS_readahead, fd, 0, PAIR(0ll), 4096) == 0);

	struct statfs64 fs;
	CHECK(sizeof fs == 84 + 4 || sizeof fs == 84);
	CHECK(syscall(SYS_statfs64, ".", 84, &fs) == 0 && fs.f_bsize > 0 && fs.f_namelen == 255);
	CHECK(syscall(SYS_fstatfs64, fd, 88, &fs) == 0);
	FAILS(syscall(SYS_statfs64, ".", 80, &fs), EINVAL);
	puts("files");

	// fcntl64 knows both kinds of locks.
	struct flock64 l64 = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = FAR, .l_len = 10};
	struct { short type, whence; long start, len; int pid; } l = {F_WRLCK, SEEK_SET, 5, 6, 0};
	CHECK(syscall(SYS_fcntl64, fd, 13 /* F_SETLK64 */, &l64) == 0 && syscall(SYS_fcntl64, fd, 6 /* F_SETLK */, &l) == 0);
	pid_t child = fork();
	if (child == 0) {
		l.type = l64.l_type = F_RDLCK, l.start = 0, l.len = 100, l64.l_start = FAR - 5, l64.l_len = 0;
		CHECK(syscall(SYS_fcntl64, fd, 5 /* F_GETLK */, &l) == 0 && l.type == F_WRLCK && l.start == 5 && l.len == 6 && l.pid == getppid());
		CHECK(syscall(SYS_fcntl64, fd, 12 /* F_GETLK64 */, &l64) == 0 && l64.l_type == F_WRLCK && l64.l_start == FAR && l64.l_len == 10);
		// Where the other's begins beyond what the structure can tell.
		l.type = F_WRLCK, l.start = 1000, l.len = 0;
		FAILS(syscall(SYS_fcntl64, fd, 5, &l), EOVERFLOW);
		FAILS(syscall(SYS_fcntl, fd, 12, &l64), EINVAL);
		_exit(0);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	puts("locks");
}

// A directory as a program with 32-bit places reads it: each place leads back to its entry.
static void directories(void)
{
	CHECK(mkdir("many", 0700) == 0 && chdir("many") == 0);
	char name[80];
	for (int i = 0; i < 300; i++) {
		sprintf(name, "an-entry-with-a-longer-name-%d", i);
		close(open(name, O_CREAT | O_WRONLY, 0600));
	}
	DIR *d = opendir(".");
	CHECK(d);
	static long places[400];
	static char names[400][64];
	int n = 0;
	for (;;) {
		errno = 0;
		places[n] = telldir(d);
		struct dirent *e = readdir(d);
		if (!e)
			break;
		strcpy(names[n++], e->d_name);
	}
	CHECK(errno == 0 && n == 302);
	for (int i = n - 1; i >= 0; i -= 7) {
		seekdir(d, places[i]);
		struct dirent *e = readdir(d);
		CHECK(e && strcmp(e->d_name, names[i]) == 0);
	}
	closedir(d);
	// getdents, whose places have 32 bits themselves.
	int fd = open(".", O_RDONLY | O_DIRECTORY), seen = 0;
	char buffer[1000];
	for (long got; (got = syscall(SYS_getdents, fd, buffer, sizeof buffer)) > 0;) {
		for (long at = 0; at < got; seen++) {
			struct { unsigned long ino, off; unsigned short reclen; char name[]; } *e = (void *)(buffer + at);
			unsigned char type = buffer[at + e->reclen - 1];
			CHECK(e->ino && e->reclen % 4 == 0 && (type == DT_REG || type == DT_DIR || type == DT_UNKNOWN) && strlen(e->name) > 0);
			at += e->reclen;
		}
	}
	CHECK(seen == 302);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	FAILS(syscall(SYS_getdents, fd, buffer, 3), EINVAL);
	for (int i = 0; i < 300; i++) {
		sprintf(name, "an-entry-with-a-longer-name-%d", i);
		CHECK(unlink(name) == 0);
	}
	CHECK(chdir("..") == 0 && rmdir("many") == 0);
	puts("directories");
}

static void times(void)
{
	long t[2], t64[4], zone[2];
	time_t now = time(NULL);
	CHECK(syscall(SYS_clock_gettime, CLOCK_REALTIME, t) == 0 && t[0] - now < 5 && t[1] < 1000000000);
	CHECK(syscall(SYS_clock_gettime64, CLOCK_REALTIME, t64) == 0 && t64[0] - now < 5 && t64[1] == 0 && t64[2] < 1000000000 && t64[3] == 0);
	CHECK(syscall(SYS_gettimeofday, t, zone) == 0 && t[0] - now < 5 && t[1] < 1000000);
	CHECK(syscall(SYS_clock_getres, CLOCK_MONOTONIC, t) == 0 && syscall(SYS_clock_getres_time64, CLOCK_MONOTONIC, t64) == 0 && t[1] == t64[2]);
	long nap[2] = {0, 1000000}, nap64[4] = {0, 0, 1000000, -1};
	CHECK(syscall(SYS_nanosleep, nap, NULL) == 0 && syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, nap, NULL) == 0);
	// What lies beside the nanoseconds has no meaning.
	CHECK(syscall(SYS_clock_nanosleep_time64, CLOCK_MONOTONIC, 0, nap64, NULL) == 0);
	nap[1] = 1000000000;
	FAILS(syscall(SYS_nanosleep, nap, NULL), EINVAL);
	long itimer[4] = {0, 0, 100, 5}, old[4];
	CHECK(syscall(SYS_setitimer, ITIMER_REAL, itimer, NULL) == 0 && syscall(SYS_getitimer, ITIMER_REAL, old) == 0 && old[2] >= 99 && old[2] <= 100);
	itimer[2] = itimer[3] = 0;
	CHECK(syscall(SYS_setitimer, ITIMER_REAL, itimer, old) == 0 && old[0] == 0);
	close(open("stamp", O_CREAT | O_WRONLY, 0600));
	long stamps[4] = {1000, 5, 2000, 6}, stamps64[8] = {1, 1, 5, 0, 2, 1, 6, 0};
	struct stat64 st;
	CHECK(syscall(SYS_utimensat, AT_FDCWD, "stamp", stamps, 0) == 0 && syscall(SYS_stat64, "stamp", &st) == 0 && st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 6);
	CHECK(syscall(SYS_utimensat_time64, AT_FDCWD, "stamp", stamps64, 0) == 0);
	struct statx stx;
	CHECK(syscall(SYS_statx, AT_FDCWD, "stamp", 0, STATX_BASIC_STATS, &stx) == 0 && stx.stx_mtime.tv_sec == 0x100000002ll && stx.stx_mtime.tv_nsec == 6);
	struct pollfd none;
	nap[1] = 0;
	CHECK(syscall(SYS_ppoll, &none, 0, nap, NULL, 8) == 0 && syscall(SYS__newselect, 0, NULL, NULL, NULL, nap) == 0);
	struct rusage usage;
	CHECK(sizeof usage == 72 && getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_maxrss > 100);
	puts("times");
}

static void sockets(void)
{
	int s[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	int on = 1;
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
	char byte = 'x', control[CMSG_SPACE(3 * sizeof(int)) + CMSG_SPACE(12)];
	CHECK(sizeof(struct cmsghdr) == 12 && CMSG_SPACE(4) == 16);
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(3 * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(3 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	int fds[3] = {0, 1, s[0]};
	memcpy(CMSG_DATA(c), fds, sizeof fds);
	CHECK(sendmsg(s[0], &m, 0) == 1);
	byte = 0;
	memset(control, 0, sizeof control);
	m.msg_controllen = sizeof control;
	CHECK(recvmsg(s[1], &m, MSG_CMSG_CLOEXEC) == 1 && byte == 'x' && !(m.msg_flags & MSG_CTRUNC));
	int rights = 0, credentials = 0;
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_type == SCM_RIGHTS) {
			CHECK(c->cmsg_len == CMSG_LEN(3 * sizeof(int)));
			memcpy(fds, CMSG_DATA(c), sizeof fds);
			rights++;
			CHECK(fcntl(fds[2], F_GETFD) == FD_CLOEXEC && write(fds[2], "y", 1) == 1 && read(s[1], &byte, 1) == 1 && byte == 'y');
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred u;
			memcpy(&u, CMSG_DATA(c), sizeof u);
			CHECK(u.pid == getpid() && u.uid == getuid());
			credentials++;
		}
	}
	CHECK(rights == 1 && credentials == 1);
	struct timeval timeout = {3, 250000}, got = {0};
	socklen_t size = sizeof got;
	CHECK(sizeof timeout == 8 && setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0);
	CHECK(getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &got, &size) == 0 && size == 8 && got.tv_sec == 3 && got.tv_usec >= 250000 && got.tv_usec < 260000);
	puts("sockets");

	int e = epoll_create1(0);
	struct epoll_event event = {EPOLLIN, {.u64 = 0x123456789abcdef0}};
	CHECK(sizeof event == 16 && epoll_ctl(e, EPOLL_CTL_ADD, s[1], &event) == 0 && write(s[0], "z", 1) == 1);
	memset(&event, 0, sizeof event);
	CHECK(epoll_wait(e, &event, 1, 1000) == 1 && event.events == EPOLLIN && event.data.u64 == 0x123456789abcdef0);
	puts("epoll");
}

static void ipc(void)
{
	int id = semget(IPC_PRIVATE, 3, 0600 | IPC_CREAT);
	union { int val; struct semid_ds *buf; unsigned short *array; } arg = {.array = (unsigned short[]){4, 5, 6}};
	CHECK(id >= 0 && semctl(id, 0, SETALL, arg) == 0);
	struct semid_ds ds;
	arg.buf = &ds;
	CHECK(semctl(id, 0, IPC_STAT, arg) == 0 && ds.sem_nsems == 3 && (ds.sem_perm.mode & 0777) == 0600 && ds.sem_perm.uid == getuid());
	struct sembuf op = {1, -6, 0};
	long soon[2] = {0, 1000000};
	FAILS(syscall(SYS_semtimedop, id, &op, 1, soon), EAGAIN);
	op.sem_op = -5;
	CHECK(semop(id, &op, 1) == 0 && semctl(id, 1, GETVAL) == 0 && semctl(id, 0, IPC_RMID) == 0);
	id = msgget(IPC_PRIVATE, 0600 | IPC_CREAT);
	struct { long type; char text[20]; } message = {7, "a message"};
	CHECK(sizeof message == 24 && msgsnd(id, &message, 20, 0) == 0);
	struct msqid_ds mds;
	CHECK(msgctl(id, IPC_STAT, &mds) == 0 && mds.msg_qnum == 1 && mds.__msg_cbytes == 20 && mds.msg_lspid == getpid());
	memset(&message, 0, sizeof message);
	CHECK(msgrcv(id, &message, 20, 7, 0) == 20 && message.type == 7 && strcmp(message.text, "a message") == 0 && msgctl(id, IPC_RMID, NULL) == 0);
	puts("ipc");
}

int main(void)
{
	files();
	directories();
	times();
	sockets();
	ipc();
	return 0;
}
