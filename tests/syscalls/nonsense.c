// Every call that can safely be made with nonsense fails, or succeeds, exactly as on the host: bad pointers, bad descriptors, all zero, all ones.
//@ glibc: it needs the numbers of calls newer than musl
//@ timeout: 120
//@ not-arm: it names calls that 64-bit architectures alone have
#include "../check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define X(name) {#name, SYS_##name},
static const struct {
	const char *name;
	long number;
} calls[] = {
	X(io_setup)
	X(io_destroy)
	X(io_submit)
	X(io_cancel)
	X(io_getevents)
	X(setxattr)
	X(lsetxattr)
	X(fsetxattr)
	X(getxattr)
	X(lgetxattr)
	X(fgetxattr)
	X(listxattr)
	X(llistxattr)
	X(flistxattr)
	X(removexattr)
	X(lremovexattr)
	X(fremovexattr)
	X(getcwd)
	X(eventfd2)
	X(epoll_create1)
	X(epoll_ctl)
	X(epoll_pwait)
	X(dup)
	X(dup3)
	X(fcntl)
	X(inotify_init1)
	X(inotify_add_watch)
	X(inotify_rm_watch)
	X(ioctl)
	X(ioprio_set)
	X(ioprio_get)
	X(flock)
	X(mknodat)
	X(mkdirat)
	X(unlinkat)
	X(symlinkat)
	X(linkat)
	X(umount2)
	X(mount)
	X(pivot_root)
	X(statfs)
	X(fstatfs)
	X(truncate)
	X(ftruncate)
	X(fallocate)
	X(faccessat)
	X(chdir)
	X(fchdir)
	X(chroot)
	X(fchmod)
	X(fchmodat)
	X(fchownat)
	X(fchown)
	X(openat)
	X(close)
	X(pipe2)
	X(quotactl)
	X(getdents64)
	X(lseek)
	X(read)
	X(write)
	X(readv)
	X(writev)
	X(pread64)
	X(pwrite64)
	X(preadv)
	X(pwritev)
	X(sendfile)
	X(signalfd4)
	X(vmsplice)
	X(splice)
	X(tee)
	X(readlinkat)
	X(newfstatat)
	X(fstat)
	X(fsync)
	X(fdatasync)
	X(sync_file_range)
	X(timerfd_create)
	X(timerfd_settime)
	X(timerfd_gettime)
	X(utimensat)
	X(acct)
	X(capget)
	X(capset)
	X(waitid)
	X(set_tid_address)
	X(unshare)
	X(futex)
	X(set_robust_list)
	X(get_robust_list)
	X(nanosleep)
	X(getitimer)
	X(setitimer)
	X(init_module)
	X(delete_module)
	X(timer_create)
	X(timer_gettime)
	X(timer_getoverrun)
	X(timer_settime)
	X(timer_delete)
	X(clock_settime)
	X(clock_gettime)
	X(clock_getres)
	X(clock_nanosleep)
	X(sched_setparam)
	X(sched_setscheduler)
	X(sched_getscheduler)
	X(sched_getparam)
	X(sched_getaffinity)
	X(sched_get_priority_max)
	X(sched_get_priority_min)
	X(sched_rr_get_interval)
	X(sigaltstack)
	X(rt_sigaction)
	X(rt_sigprocmask)
	X(rt_sigpending)
	X(setpriority)
	X(getpriority)
	X(setregid)
	X(setgid)
	X(setreuid)
	X(setuid)
	X(setresuid)
	X(getresuid)
	X(setresgid)
	X(getresgid)
	X(setfsuid)
	X(setfsgid)
	X(times)
	X(setpgid)
	X(getpgid)
	X(getsid)
	X(setsid)
	X(getgroups)
	X(setgroups)
	X(uname)
	X(sethostname)
	X(setdomainname)
	X(getrlimit)
	X(setrlimit)
	X(getrusage)
	X(umask)
	X(prctl)
	X(getcpu)
	X(gettimeofday)
	X(settimeofday)
	X(adjtimex)
	X(sysinfo)
	X(mq_open)
	X(mq_unlink)
	X(mq_timedsend)
	X(mq_notify)
	X(mq_getsetattr)
	X(msgrcv)
	X(msgsnd)
	X(semtimedop)
	X(semop)
	X(shmdt)
	X(socket)
	X(socketpair)
	X(bind)
	X(listen)
	X(accept)
	X(connect)
	X(getsockname)
	X(getpeername)
	X(sendto)
	X(recvfrom)
	X(setsockopt)
	X(getsockopt)
	X(shutdown)
	X(sendmsg)
	X(recvmsg)
	X(readahead)
	X(add_key)
	X(request_key)
	X(keyctl)
	X(execve)
	X(fadvise64)
	X(msync)
	X(mlock)
	X(munlock)
	X(munlockall)
	X(mincore)
	X(madvise)
	X(remap_file_pages)
	X(mbind)
	X(get_mempolicy)
	X(set_mempolicy)
	X(perf_event_open)
	X(accept4)
	X(recvmmsg)
	X(wait4)
	X(prlimit64)
	X(fanotify_init)
	X(fanotify_mark)
	X(name_to_handle_at)
	X(open_by_handle_at)
	X(clock_adjtime)
	X(syncfs)
	X(sendmmsg)
	X(process_vm_readv)
	X(process_vm_writev)
	X(kcmp)
	X(finit_module)
	X(sched_setattr)
	X(sched_getattr)
	X(renameat2)
	X(getrandom)
	X(memfd_create)
	X(bpf)
	X(execveat)
	X(userfaultfd)
	X(membarrier)
	X(mlock2)
	X(copy_file_range)
	X(preadv2)
	X(pwritev2)
	X(statx)
	X(io_pgetevents)
	X(pidfd_send_signal)
	X(io_uring_setup)
	X(io_uring_enter)
	X(io_uring_register)
	X(open_tree)
	X(move_mount)
	X(fsopen)
	X(fsconfig)
	X(fsmount)
	X(fspick)
	X(pidfd_open)
	X(close_range)
	X(openat2)
	X(pidfd_getfd)
	X(faccessat2)
#ifdef SYS_mount_setattr
	X(mount_setattr)
#endif
#ifdef SYS_quotactl_fd
	X(quotactl_fd)
#endif
#ifdef SYS_landlock_create_ruleset
	X(landlock_create_ruleset)
#endif
#ifdef SYS_landlock_add_rule
	X(landlock_add_rule)
#endif
#ifdef SYS_landlock_restrict_self
	X(landlock_restrict_self)
#endif
#ifdef SYS_futex_waitv
	X(futex_waitv)
#endif
#ifdef SYS_set_mempolicy_home_node
	X(set_mempolicy_home_node)
#endif
#ifdef SYS_cachestat
	X(cachestat)
#endif
#ifdef SYS_fchmodat2
	X(fchmodat2)
#endif
#ifdef SYS_futex_wake
	X(futex_wake)
#endif
#ifdef SYS_futex_wait
	X(futex_wait)
#endif
#ifdef SYS_futex_requeue
	X(futex_requeue)
#endif
#ifdef SYS_statmount
	X(statmount)
#endif
#ifdef SYS_listmount
	X(listmount)
#endif
#ifdef SYS_lsm_get_self_attr
	X(lsm_get_self_attr)
#endif
#ifdef SYS_lsm_set_self_attr
	X(lsm_set_self_attr)
#endif
#ifdef SYS_lsm_list_modules
	X(lsm_list_modules)
#endif
#ifdef SYS_setxattrat
	X(setxattrat)
#endif
#ifdef SYS_getxattrat
	X(getxattrat)
#endif
#ifdef SYS_listxattrat
	X(listxattrat)
#endif
#ifdef SYS_removexattrat
	X(removexattrat)
#endif
#ifdef SYS_open_tree_attr
	X(open_tree_attr)
#endif
#ifdef SYS_file_getattr
	X(file_getattr)
#endif
#ifdef SYS_file_setattr
	X(file_setattr)
#endif
};

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	// With root's rights some nonsense would succeed on the machine itself: the host name, System V objects, the mode of stdin.
	if (geteuid() == 0)
		CHECK(unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS) == 0);
	int input = open("input", O_RDWR | O_CREAT, 0600);
	CHECK(input >= 0 && dup2(input, 0) == 0 && close(input) == 0);
	// At the same address everywhere, since its value counts where a call wants a number.
	char *name = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(name == (void *)0x10000000);
	strcpy(name, "file");
	int count = sizeof calls / sizeof *calls;
	for (int i = 0; i < count; i++) {
		pid_t child = fork();
		if (child == 0) {
			struct rlimit small = {1 << 20, 1 << 20};
			setrlimit(RLIMIT_FSIZE, &small);
			int saved = fcntl(1, F_DUPFD, 500), fd = open("file", O_RDWR | O_CREAT, 0600);
			long path = (long)name, bad = 8;
			long patterns[][6] = {
				{bad, bad, bad, bad, bad, bad}, {fd, bad, bad, bad, bad, bad}, {AT_FDCWD, bad, bad, bad, bad, bad}, {AT_FDCWD, path, bad, bad, bad, bad},
				{path, bad, bad, bad, bad, bad}, {-1, -1, -1, -1, -1, -1}, {bad, 0, 0, 0, 0, 0}, {0, bad, 0, 0, 0, 0}, {fd, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0},
			};
			char line[500];
			int n = sprintf(line, "%s", calls[i].name);
			for (int p = 0; p < (int)(sizeof patterns / sizeof *patterns); p++) {
				long *a = patterns[p];
				errno = 0;
				// A call that waits is cut short; the line then ends there.
				alarm(5);
				long r = syscall(calls[i].number, a[0], a[1], a[2], a[3], a[4], a[5]);
				n += r == -1 ? sprintf(line + n, " %d", errno) : sprintf(line + n, " ok");
			}
			line[n++] = '\n';
			if (write(saved, line, n) != n)
				_exit(1);
			_exit(0);
		}
		int status;
		CHECK(waitpid(child, &status, 0) == child);
		if (status != 0)
			printf("%s: status %x\n", calls[i].name, status);
	}
	puts("done");
	return 0;
}
