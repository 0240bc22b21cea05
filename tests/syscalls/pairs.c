// Where two arguments are wrong at once, the same error comes first as on the host: every pair of
// arguments of every call, each wrong in several ways.
//
// Left out are calls that could reach the machine or other processes with root's rights although
// the namespaces are private (reboot, kexec, modules, swap, clocks, host name, mounts, signals to
// others, priorities, keys, BPF, process accounting, the kernel's log), calls that end, replace or
// copy the process or change what it may do from then on (exit, clone, seccomp, prctl, setrlimit,
// namespaces, memory policy), calls that wait for ever (sigsuspend, msgrcv), protection keys, which
// are the processor's, and those that take from the program the memory it runs in (munmap, brk).
//@ glibc: it needs the numbers of calls newer than musl
//@ timeout: 240
//@ not-arm: it names calls that 64-bit architectures alone have
#include "../check.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define X(name, arguments) {#name, SYS_##name, arguments},
// The kinds of arguments: f descriptor, d descriptor of a directory, s string, p address, z size, o
// offset, x anything else.
static const struct {
	const char *name;
	long number;
	const char *arguments;
} calls[] = {
	X(read, "fpz")
	X(write, "fpz")
	X(fstat, "fp")
	X(lseek, "fox")
	X(mmap, "pzxxfo")
	X(mprotect, "pzx")
	X(rt_sigaction, "xppz")
	X(rt_sigprocmask, "xppz")
	X(ioctl, "fxx")
	X(pread64, "fpzo")
	X(pwrite64, "fpzo")
	X(readv, "fpx")
	X(writev, "fpx")
	X(mremap, "pzzxp")
	X(msync, "pzx")
	X(mincore, "pzp")
	X(madvise, "pzx")
	X(shmget, "xzx")
	X(shmat, "xpx")
	X(shmctl, "xxp")
	X(nanosleep, "pp")
	X(getitimer, "xp")
	X(setitimer, "xpp")
	X(sendfile, "ffpz")
	X(socket, "xxx")
	X(connect, "fpz")
	X(accept, "fpp")
	X(sendto, "fpzxpz")
	X(recvfrom, "fpzxpp")
	X(sendmsg, "fpx")
	X(recvmsg, "fpx")
	X(shutdown, "fx")
	X(bind, "fpz")
	X(listen, "fx")
	X(getsockname, "fpp")
	X(getpeername, "fpp")
	X(socketpair, "xxxp")
	X(setsockopt, "fxxpx")
	X(getsockopt, "fxxpp")
	X(execve, "spp")
	X(wait4, "xpxp")
	X(semget, "xxx")
	X(semop, "xpx")
	X(semctl, "xxxx")
	X(msgget, "xx")
	X(msgsnd, "xpzx")
	X(msgctl, "xxp")
	X(fcntl, "fxx")
	X(flock, "fx")
	X(truncate, "so")
	X(ftruncate, "fo")
	X(getcwd, "pz")
	X(fchmod, "fx")
	X(fchown, "fxx")
	X(gettimeofday, "pp")
	X(getrlimit, "xp")
	X(getrusage, "xp")
	X(setpgid, "xx")
	X(setreuid, "xx")
	X(setregid, "xx")
	X(getgroups, "xp")
	X(setgroups, "xp")
	X(setresuid, "xxx")
	X(getresuid, "ppp")
	X(setresgid, "xxx")
	X(getresgid, "ppp")
	X(capget, "pp")
	X(capset, "pp")
	X(rt_sigpending, "pz")
	X(rt_sigtimedwait, "pppz")
	X(sigaltstack, "pp")
	X(statfs, "sp")
	X(fstatfs, "fp")
	X(getpriority, "xx")
	X(sched_getparam, "xp")
	X(sched_rr_get_interval, "xp")
	X(mlock, "pz")
	X(munlock, "pz")
	X(readahead, "foz")
	X(setxattr, "sspzx")
	X(lsetxattr, "sspzx")
	X(fsetxattr, "fspzx")
	X(getxattr, "sspz")
	X(lgetxattr, "sspz")
	X(fgetxattr, "fspz")
	X(listxattr, "spz")
	X(llistxattr, "spz")
	X(flistxattr, "fpz")
	X(removexattr, "ss")
	X(lremovexattr, "ss")
	X(fremovexattr, "fs")
	X(futex, "pxxppx")
	X(sched_getaffinity, "xzp")
	X(io_setup, "xp")
	X(io_getevents, "xxxpp")
	X(io_submit, "xxp")
	X(io_cancel, "xpp")
	X(getdents64, "fpx")
	X(semtimedop, "xpxp")
	X(fadvise64, "fozx")
	X(timer_create, "xpp")
	X(timer_settime, "xxpp")
	X(timer_gettime, "xp")
	X(clock_gettime, "xp")
	X(clock_getres, "xp")
	X(clock_nanosleep, "xxpp")
	X(epoll_ctl, "fxfp")
	X(get_mempolicy, "ppxpx")
	X(mq_open, "sxxp")
	X(mq_timedsend, "fpzxp")
	X(mq_timedreceive, "fpzpp")
	X(mq_notify, "fp")
	X(mq_getsetattr, "fpp")
	X(waitid, "xxpxp")
	X(ioprio_get, "xx")
	X(inotify_add_watch, "fsx")
	X(inotify_rm_watch, "fx")
	X(openat, "dsxx")
	X(mkdirat, "dsx")
	X(mknodat, "dsxx")
	X(fchownat, "dsxxx")
	X(newfstatat, "dspx")
	X(unlinkat, "dsx")
	X(linkat, "dsdsx")
	X(symlinkat, "sds")
	X(readlinkat, "dspz")
	X(fchmodat, "dsx")
	X(faccessat, "dsx")
	X(pselect6, "xppppp")
	X(ppoll, "pxppz")
	X(get_robust_list, "xpp")
	X(splice, "fpfpzx")
	X(tee, "ffzx")
	X(sync_file_range, "foox")
	X(vmsplice, "fpxx")
	X(utimensat, "dspx")
	X(epoll_pwait, "fpxxpz")
	X(timerfd_create, "xx")
	X(fallocate, "fxoo")
	X(timerfd_settime, "fxpp")
	X(timerfd_gettime, "fp")
	X(accept4, "fppx")
	X(signalfd4, "fpzx")
	X(eventfd2, "xx")
	X(dup3, "ffx")
	X(pipe2, "px")
	X(preadv, "fpxoo")
	X(pwritev, "fpxoo")
	X(recvmmsg, "fpxxp")
	X(fanotify_mark, "fxxds")
	X(prlimit64, "xxpp")
	X(name_to_handle_at, "dsppx")
	X(open_by_handle_at, "fpx")
	X(sendmmsg, "fpxx")
	X(process_vm_readv, "xpxpxx")
	X(process_vm_writev, "xpxpxx")
	X(kcmp, "xxxxx")
	X(sched_getattr, "xpzx")
	X(renameat2, "dsdsx")
	X(getrandom, "pzx")
	X(memfd_create, "sx")
	X(execveat, "dsppx")
	X(membarrier, "xxx")
	X(mlock2, "pzx")
	X(copy_file_range, "fpfpzx")
	X(preadv2, "fpxoox")
	X(pwritev2, "fpxoox")
	X(statx, "dsxxp")
	X(io_pgetevents, "xxxppp")
	X(io_uring_enter, "fxxxpz")
	X(io_uring_register, "fxpx")
	X(open_tree, "dsx")
	X(move_mount, "dsdsx")
	X(fsopen, "sx")
	X(fsconfig, "fxspx")
	X(fsmount, "fxx")
	X(fspick, "dsx")
	X(pidfd_open, "xx")
	X(close_range, "fxx")
	X(openat2, "dspz")
	X(pidfd_getfd, "ffx")
	X(faccessat2, "dsxx")
	X(epoll_pwait2, "fpxppz")
#ifdef SYS_mount_setattr
	X(mount_setattr, "dsxpz")
#endif
#ifdef SYS_landlock_create_ruleset
	X(landlock_create_ruleset, "pzx")
#endif
#ifdef SYS_landlock_add_rule
	X(landlock_add_rule, "fxpx")
#endif
#ifdef SYS_futex_waitv
	X(futex_waitv, "pxxpx")
#endif
#ifdef SYS_set_mempolicy_home_node
	X(set_mempolicy_home_node, "pzxx")
#endif
#ifdef SYS_cachestat
	X(cachestat, "fppx")
#endif
#ifdef SYS_fchmodat2
	X(fchmodat2, "dsxx")
#endif
#ifdef SYS_futex_wake
	X(futex_wake, "pxxx")
#endif
#ifdef SYS_futex_wait
	X(futex_wait, "pxxxpx")
#endif
#ifdef SYS_futex_requeue
	X(futex_requeue, "pxxx")
#endif
#ifdef SYS_statmount
	X(statmount, "ppzx")
#endif
#ifdef SYS_listmount
	X(listmount, "ppzx")
#endif
#ifdef SYS_lsm_get_self_attr
	X(lsm_get_self_attr, "xppx")
#endif
#ifdef SYS_lsm_set_self_attr
	X(lsm_set_self_attr, "xpzx")
#endif
#ifdef SYS_lsm_list_modules
	X(lsm_list_modules, "ppx")
#endif
#ifdef SYS_mseal
	X(mseal, "pzx")
#endif
#ifdef SYS_setxattrat
	X(setxattrat, "dsxspz")
#endif
#ifdef SYS_getxattrat
	X(getxattrat, "dsxspz")
#endif
#ifdef SYS_listxattrat
	X(listxattrat, "dsxpz")
#endif
#ifdef SYS_removexattrat
	X(removexattrat, "dsxs")
#endif
#ifdef SYS_open_tree_attr
	X(open_tree_attr, "dsxpz")
#endif
#ifdef SYS_file_getattr
	X(file_getattr, "dspzx")
#endif
#ifdef SYS_file_setattr
	X(file_setattr, "dspzx")
#endif
};

// At the same places everywhere, since a value counts where a call wants a number.
#define BUFFER ((char *)0x10000000)
#define NAME (BUFFER + 4096)
enum { PAGE = 4096, WRONG = 4 };

static long right(char kind, int fd)
{
	switch (kind) {
	case 'f':
		return fd;
	case 'd':
		return AT_FDCWD;
	case 's':
		return (long)NAME;
	case 'p':
		return (long)BUFFER;
	case 'z':
		return 8;
	default:
		return 0;
	}
}

// Without a timeout these wait for ever.
static int waits(const char *name)
{
	return !strcmp(name, "rt_sigtimedwait") || !strcmp(name, "futex") || !strcmp(name, "pselect6") || !strcmp(name, "ppoll");
}

static int wrong(const char *name, char kind, int fd, long values[WRONG])
{
	switch (kind) {
	case 'f':
		values[0] = -1, values[1] = 4095;
		return 2;
	case 'd':
		values[0] = -1, values[1] = fd;
		return 2;
	case 's':
		values[0] = 8, values[1] = (long)NAME + 100, values[2] = (long)NAME + 200, values[3] = (long)NAME + PAGE;
		return 4;
	case 'p':
		values[0] = 8, values[1] = -PAGE, values[2] = 0;
		return waits(name) ? 2 : 3;
	case 'z':
		values[0] = -1, values[1] = 1l << 62, values[2] = 0;
		return 3;
	case 'o':
		values[0] = -1, values[1] = 1l << 62;
		return 2;
	default:
		values[0] = -1, values[1] = 0x7fffffff, values[2] = 0x1000;
		return 3;
	}
}

static void run(int call, int i, int j, char *out)
{
	const char *kinds = calls[call].arguments;
	struct rlimit small = { 1 << 20, 1 << 20 };
	setrlimit(RLIMIT_FSIZE, &small);
	unlink("file");
	int fd = open("file", O_RDWR | O_CREAT, 0600), n;
	long first[WRONG], second[WRONG];
	int firsts = wrong(calls[call].name, kinds[i], fd, first), seconds = wrong(calls[call].name, kinds[j], fd, second);
	// A call that waits is cut short; the list then ends there.
	alarm(5);
	for (int a = 0; a < firsts; a++)
		for (int b = 0; b < seconds; b++) {
			long v[6] = { 0 };
			for (int k = 0; kinds[k]; k++)
				v[k] = right(kinds[k], fd);
			v[i] = first[a];
			v[j] = second[b];
			memset(BUFFER, 0, PAGE);
			errno = 0;
			long r = syscall(calls[call].number, v[0], v[1], v[2], v[3], v[4], v[5]);
			n = r == -1 ? sprintf(out, " %d", errno) : sprintf(out, " ok");
			out += n;
		}
	_exit(0);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	if (geteuid() != 0)
		CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK(unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS) == 0);
	int input = open("input", O_RDWR | O_CREAT, 0600), flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	CHECK(input >= 0 && dup2(input, 0) == 0 && close(input) == 0);
	// Buffer, names, one that is too long, and nothing behind it.
	CHECK(mmap(BUFFER, 4 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) == BUFFER && munmap(BUFFER + 3 * PAGE, PAGE) == 0);
	strcpy(NAME, "file");
	strcpy(NAME + 200, "nowhere/file");
	memset(NAME + PAGE, 'a', PAGE);
	char *out = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(out != MAP_FAILED);
	for (int call = 0; call < (int)(sizeof calls / sizeof *calls); call++)
		for (int i = 0; calls[call].arguments[i]; i++)
			for (int j = i + 1; calls[call].arguments[j]; j++) {
				memset(out, 0, PAGE);
				pid_t child = fork();
				if (child == 0)
					run(call, i, j, out);
				int status;
				CHECK(waitpid(child, &status, 0) == child);
				printf("%s %d %d:%s", calls[call].name, i, j, out);
				printf(status ? " status %x\n" : "\n", status);
			}
	return 0;
}
