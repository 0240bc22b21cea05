// io_uring, through its system calls alone.
#include "../check.h"
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned *sq_head, *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static int ring;

static void queue(struct io_uring_sqe sqe)
{
	unsigned tail = *sq_tail, index = tail & *sq_mask;
	sqes[index] = sqe;
	sq_array[index] = index;
	__atomic_store_n(sq_tail, tail + 1, __ATOMIC_RELEASE);
}

static int enter(unsigned submit, unsigned wait)
{
	return syscall(SYS_io_uring_enter, ring, submit, wait, wait ? IORING_ENTER_GETEVENTS : 0, NULL, 8);
}

static int result(uint64_t data)
{
	unsigned head = *cq_head;
	CHECK(head != __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE));
	struct io_uring_cqe c = cqes[head & *cq_mask];
	__atomic_store_n(cq_head, head + 1, __ATOMIC_RELEASE);
	CHECK(c.user_data == data);
	return c.res;
}

static volatile int caught;
static void handler(int signo)
{
	caught = signo;
}

int main(void)
{
	struct io_uring_params p = {0};
	ring = syscall(SYS_io_uring_setup, 8, &p);
	if (ring < 0) {
		printf("%s\n", strerror(errno));
		return 0;
	}
	CHECK(p.features & IORING_FEAT_SINGLE_MMAP && p.sq_entries == 8 && p.cq_entries == 16);
	char *sq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof *cqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	sqes = mmap(NULL, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	CHECK(sq != MAP_FAILED && (void *)sqes != MAP_FAILED);
	sq_head = (void *)(sq + p.sq_off.head), sq_tail = (void *)(sq + p.sq_off.tail), sq_mask = (void *)(sq + p.sq_off.ring_mask);
	sq_array = (void *)(sq + p.sq_off.array), cq_head = (void *)(sq + p.cq_off.head), cq_tail = (void *)(sq + p.cq_off.tail);
	cq_mask = (void *)(sq + p.cq_off.ring_mask), cqes = (void *)(sq + p.cq_off.cqes);

	queue((struct io_uring_sqe){.opcode = IORING_OP_NOP, .user_data = 1});
	CHECK(enter(1, 1) == 1 && result(1) == 0);
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	char text[] = "through the ring", buffer[100];
	queue((struct io_uring_sqe){.opcode = IORING_OP_WRITE, .fd = fd, .addr = (uintptr_t)text, .len = 16, .off = 100, .user_data = 2});
	CHECK(enter(1, 1) == 1 && result(2) == 16);
	struct iovec v = {buffer, 100};
	queue((struct io_uring_sqe){.opcode = IORING_OP_READV, .fd = fd, .addr = (uintptr_t)&v, .len = 1, .off = 108, .user_data = 0x123456789abcdef0});
	queue((struct io_uring_sqe){.opcode = IORING_OP_READ, .fd = fd, .addr = 8, .len = 5, .off = 100, .user_data = 3, .flags = 0});
	CHECK(enter(2, 2) == 2 && result(0x123456789abcdef0) == 8 && memcmp(buffer, "the ring", 8) == 0 && result(3) == -EFAULT);
	struct __kernel_timespec ts = {0, 3000000};
	queue((struct io_uring_sqe){.opcode = IORING_OP_TIMEOUT, .addr = (uintptr_t)&ts, .len = 1, .user_data = 4});
	CHECK(enter(1, 1) == 1 && result(4) == -ETIME);
	queue((struct io_uring_sqe){.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t) "file", .open_flags = O_RDONLY | O_CLOEXEC, .user_data = 5});
	CHECK(enter(1, 1) == 1);
	int opened = result(5);
	CHECK(opened >= 0 && read(opened, buffer, 5) == 5);

	// Open flags and epoll's events are not the same everywhere.
	CHECK(mkdir("folder", 0700) == 0 && symlink("file", "link") == 0);
	static const struct { const char *path; int flags, error; } opens[] = {
		{"folder", O_RDONLY | O_DIRECTORY, 0}, {"file", O_RDONLY | O_DIRECTORY, ENOTDIR}, {"link", O_RDONLY | O_NOFOLLOW, ELOOP}, {"link", O_RDONLY, 0},
	};
	for (unsigned i = 0; i < 4; i++) {
		struct open_how how = {.flags = opens[i].flags};
		queue((struct io_uring_sqe){.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)opens[i].path, .open_flags = opens[i].flags, .user_data = 10});
		queue((struct io_uring_sqe){.opcode = IORING_OP_OPENAT2, .fd = AT_FDCWD, .addr = (uintptr_t)opens[i].path, .off = (uintptr_t)&how, .len = sizeof how, .user_data = 11});
		// The second request waits while the first is taken.
		CHECK(enter(1, 1) == 1 && enter(1, 1) == 1);
		for (int j = 10; j <= 11; j++) {
			int got = result(j);
			CHECK(opens[i].error ? got == -opens[i].error : got >= 0);
			if (got >= 0)
				close(got);
		}
		CHECK(how.flags == (unsigned)opens[i].flags);
	}
	int poll = epoll_create1(0), ends[2];
	CHECK(poll >= 0 && pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1122334455667788}, got[2];
	struct io_uring_sqe *was = &sqes[*sq_tail & *sq_mask];
	queue((struct io_uring_sqe){.opcode = IORING_OP_EPOLL_CTL, .fd = poll, .off = ends[0], .addr = (uintptr_t)&event, .len = EPOLL_CTL_ADD, .user_data = 12});
	CHECK(enter(1, 1) == 1 && result(12) == 0 && was->addr == (uintptr_t)&event);
	CHECK(epoll_wait(poll, got, 2, 1000) == 1 && got[0].events == EPOLLIN && got[0].data.u64 == 0x1122334455667788);
	queue((struct io_uring_sqe){.opcode = IORING_OP_EPOLL_CTL, .fd = poll, .off = ends[0], .len = EPOLL_CTL_DEL, .user_data = 13});
	CHECK(enter(1, 1) == 1 && result(13) == 0 && epoll_wait(poll, got, 2, 0) == 0);
	queue((struct io_uring_sqe){.opcode = IORING_OP_EPOLL_CTL, .fd = poll, .off = ends[0], .addr = 8, .len = EPOLL_CTL_ADD, .user_data = 14});
	CHECK(enter(1, 1) == 1 && result(14) == -EFAULT);

	// Waiting with a mask and a time limit.
	sigset_t block, none;
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	signal(SIGUSR1, handler);
	sigprocmask(SIG_BLOCK, &block, NULL);
	struct io_uring_getevents_arg arg = {.sigmask = (uintptr_t)&none, .sigmask_sz = 8, .ts = (uintptr_t)&ts};
	FAILS(syscall(SYS_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof arg), ETIME);
	raise(SIGUSR1);
	CHECK(caught == 0);
	FAILS(syscall(SYS_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS, &none, 8), EINTR);
	CHECK(caught == SIGUSR1);

	struct iovec fixed = {buffer, 100};
	CHECK(syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &fixed, 1) == 0);
	queue((struct io_uring_sqe){.opcode = IORING_OP_READ_FIXED, .fd = fd, .addr = (uintptr_t)buffer, .len = 7, .off = 100, .user_data = 6});
	CHECK(enter(1, 1) == 1 && result(6) == 7 && memcmp(buffer, "through", 7) == 0);
	FAILS(syscall(SYS_io_uring_register, ring, 9999, NULL, 0), EINVAL);
	FAILS(syscall(SYS_io_uring_enter, fd, 0, 0, 0, NULL, 0), EOPNOTSUPP);
	FAILS(syscall(SYS_io_uring_setup, 0, &p), EINVAL);
	puts("done");
	return 0;
}
