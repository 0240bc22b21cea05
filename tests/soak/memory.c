// Mappings and descriptors that come and go: anonymous and shared memory, files, moved, split and protected mappings, and all kinds of descriptors.
#include "soak.h"
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

enum { PAGE = 4096, PAGES = 64 };

static uint64_t sum(unsigned char *memory, size_t size, uint64_t hash)
{
	for (size_t i = 0; i < size; i += 509)
		hash = mix(hash, memory[i]);
	return hash;
}

static uint64_t mappings(uint64_t hash)
{
	unsigned char *p = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	for (int i = 0; i < PAGES * PAGE; i++)
		p[i] = (hash >> (i & 31)) + i;
	for (int i = 0; i < PAGES; i += 4)
		CHECK(mprotect(p + i * PAGE, PAGE, PROT_READ) == 0);
	unsigned char *moved = mremap(p, PAGE * 3, PAGE * 40, MREMAP_MAYMOVE);
	CHECK(moved == MAP_FAILED && errno == EFAULT);
	CHECK(mprotect(p, PAGES * PAGE, PROT_READ | PROT_WRITE) == 0);
	moved = mremap(p, PAGES * PAGE, 2 * PAGES * PAGE, MREMAP_MAYMOVE);
	CHECK(moved != MAP_FAILED);
	hash = sum(moved, 2 * PAGES * PAGE, hash);
	CHECK(madvise(moved, PAGES * PAGE, MADV_DONTNEED) == 0);
	CHECK(moved[5] == 0);
	for (int i = 0; i < 2 * PAGES; i += 2)
		CHECK(munmap(moved + i * PAGE, PAGE) == 0);
	CHECK(munmap(moved, 2 * PAGES * PAGE) == 0);
	return hash;
}

static uint64_t files(uint64_t hash)
{
	int file = memfd_create("soak", MFD_CLOEXEC);
	CHECK(file >= 0 && ftruncate(file, PAGES * PAGE) == 0);
	unsigned char *shared = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	unsigned char *private = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	CHECK(shared != MAP_FAILED && private != MAP_FAILED);
	for (int i = 0; i < PAGES * PAGE; i += 7)
		shared[i] = hash + i;
	private[0] = 1;
	hash = sum(private, PAGES * PAGE, sum(shared, PAGES * PAGE, hash));
	CHECK(munmap(shared, PAGES * PAGE) == 0 && munmap(private, PAGES * PAGE) == 0 && close(file) == 0);
	return hash;
}

static uint64_t descriptors(uint64_t hash)
{
	int pair[2], ends[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 && pipe2(ends, O_CLOEXEC) == 0);
	int set = epoll_create1(EPOLL_CLOEXEC), event = eventfd(0, EFD_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	CHECK(set >= 0 && event >= 0 && timer >= 0 && maps >= 0);
	for (int i = 0; i < 2; i++) {
		struct epoll_event wanted = { .events = EPOLLIN, .data.u64 = i };
		CHECK(epoll_ctl(set, EPOLL_CTL_ADD, i ? pair[0] : event, &wanted) == 0);
	}
	CHECK(write(pair[1], &hash, sizeof hash) == sizeof hash);
	struct epoll_event ready[4];
	CHECK(epoll_wait(set, ready, 4, 1000) == 1 && ready[0].data.u64 == 1);
	// The other end goes to ourselves through the socket, as a message's descriptor.
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	memcpy(CMSG_DATA(&control.header), &ends[1], sizeof(int));
	uint64_t value = 0;
	struct iovec part = { &hash, sizeof hash };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room };
	CHECK(sendmsg(pair[0], &message, 0) == sizeof hash);
	part.iov_base = &value;
	CHECK(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC) == sizeof value && value == hash);
	int sent;
	memcpy(&sent, CMSG_DATA(&control.header), sizeof sent);
	CHECK(write(sent, &hash, sizeof hash) == sizeof hash && read(ends[0], &value, sizeof value) == sizeof value);
	char text[4096];
	CHECK(read(maps, text, sizeof text) > 0);
	int all[] = { pair[0], pair[1], ends[0], ends[1], set, event, timer, maps, sent };
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
		CHECK(close(all[i]) == 0);
	return mix(hash, value);
}

static uint64_t one_round(unsigned seed)
{
	uint64_t hash = mix(6, seed);
	for (int i = 0; i < 20; i++)
		hash = descriptors(files(mappings(hash)));
	return hash;
}
