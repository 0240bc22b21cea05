// Socket messages of a program of 32 bits: control messages that make no sense, or have room in part only, pieces of data, times and options.
//@ narrow
//@ variants: static
#include "../say.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

static char data[8];
static struct iovec piece = {data, 1};

static void say_controls(struct msghdr *m)
{
	printf("    %d bytes, flags %x:", (int)m->msg_controllen, m->msg_flags);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		printf(" level %d type %d length %d", c->cmsg_level, c->cmsg_type, (int)c->cmsg_len);
		if (c->cmsg_type == SCM_RIGHTS && c->cmsg_level == SOL_SOCKET)
			for (unsigned i = 0; i < (c->cmsg_len - sizeof *c) / 4; i++)
				CHECK(close(((int *)CMSG_DATA(c))[i]) == 0);
	}
	puts("");
}

static void received(int from)
{
	int to = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
	struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof address;
	CHECK(bind(to, (void *)&address, size) == 0 && getsockname(to, (void *)&address, &size) == 0);
	SAY(setsockopt(to, IPPROTO_IP, IP_PKTINFO, &on, 4));
	// SO_TIMESTAMP, SO_TIMESTAMPNS, and those with 64 bits.
	const int options[] = {29, 35, 63, 64};
	for (int i = 0; i < 4; i++) {
		SAY(setsockopt(to, SOL_SOCKET, options[i], &on, 4));
		for (int room = 0; room <= 68; room += 4) {
			char control[80] = {0};
			struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
			CHECK(sendto(from, "x", 1, 0, (void *)&address, sizeof address) == 1 && recvmsg(to, &m, 0) == 1);
			say_controls(&m);
		}
	}
	struct mmsghdr several[3] = {0};
	for (int i = 0; i < 3; i++)
		several[i].msg_hdr = (struct msghdr){.msg_iov = &piece, .msg_iovlen = 1, .msg_name = &address, .msg_namelen = sizeof address};
	SAY(sendmmsg(from, several, 3, 0));
	SAY(recvmmsg(to, several, 3, 0, &(struct timespec){1, 0}));
	SAY(several[2].msg_len);
	SAY(recvmmsg(to, several, 3, MSG_DONTWAIT, &(struct timespec){1, 0}));
	close(to);
}

static void rights(void)
{
	int s[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	for (int room = 0; room <= 40; room += 2) {
		char sent[CMSG_SPACE(12)] = {0}, control[64];
		struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = sent, .msg_controllen = sizeof sent};
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){.cmsg_len = CMSG_LEN(12), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), (int[]){0, 1, 2}, 12);
		CHECK(sendmsg(s[0], &m, 0) == 1);
		m.msg_control = control, m.msg_controllen = room;
		CHECK(recvmsg(s[1], &m, 0) == 1);
		say_controls(&m);
	}
	// Each descriptor that had no room is closed.
	int next = dup(0);
	SAY(next == s[1] + 1);
	close(next);

	struct { struct cmsghdr head; int fd; char more[8]; } bad = {{0, SOL_SOCKET, SCM_RIGHTS}, 0, ""};
	struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &bad};
	for (int length = 0; length <= 20; length++) {
		bad.head.cmsg_len = length, m.msg_controllen = 16;
		printf("%d: ", length);
		SAY(sendmsg(s[0], &m, 0));
	}
	bad.head.cmsg_len = 16;
	for (int length = 0; length <= 24; length++) {
		m.msg_controllen = length;
		printf("%d: ", length);
		SAY(sendmsg(s[0], &m, 0));
	}
	m.msg_controllen = -1;
	SAY(sendmsg(s[0], &m, 0));
	m.msg_controllen = 0, m.msg_iovlen = 1025;
	SAY(sendmsg(s[0], &m, 0));
	m.msg_iovlen = 1, m.msg_iov = (void *)0xfffffff8;
	SAY(sendmsg(s[0], &m, 0));
	SAY(syscall(SYS_recvmsg, s[0], 0xfffffff0, 0));
	piece.iov_len = -1, m.msg_iov = &piece;
	SAY(sendmsg(s[0], &m, MSG_DONTWAIT));
	SAY(readv(s[0], &piece, 1));
	SAY(writev(-1, &piece, 1));
	SAY(readv(s[0], &piece, 1025));
	piece.iov_len = 1;
}

static void options(int s)
{
	struct timeval time = {1, 500000};
	socklen_t size = 4;
	SAY(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
	SAY(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &time, 4));
	SAY(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &time, &size));
	SAY(size);
	size = 100;
	SAY(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &time, &size));
	SAY(size);
	long long wide[2] = {2, 0};
	SAY(setsockopt(s, SOL_SOCKET, 66 /* SO_RCVTIMEO_NEW */, wide, 16));
	size = 16;
	SAY(getsockopt(s, SOL_SOCKET, 66, wide, &size));
	SAY(wide[0]);
	struct { unsigned short code; unsigned char yes, no; unsigned k; } pass = {6, 0, 0, 0xffff};
	struct { unsigned short length; void *filter; } program = {1, &pass};
	SAY(setsockopt(s, SOL_SOCKET, 26 /* SO_ATTACH_FILTER */, &program, sizeof program));
	struct ifreq found[30];
	struct ifconf all = {.ifc_len = sizeof found, .ifc_req = found};
	SAY(ioctl(s, SIOCGIFCONF, &all));
	SAY(all.ifc_len % sizeof(struct ifreq));
	struct ifreq one = {.ifr_name = "lo"};
	SAY(ioctl(s, SIOCGIFINDEX, &one));
	SAY(one.ifr_ifindex);
	SAY(ioctl(s, SIOCGIFMAP, &one));
}

int main(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(s >= 0);
	received(s);
	rights();
	options(s);
	return 0;
}
