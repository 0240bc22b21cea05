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

// Groups of multicast, in the older structures and in those whose addresses are aligned to a pointer.
static void groups(int s)
{
	struct ip_mreq old = {.imr_multiaddr = {inet_addr("239.1.2.3")}, .imr_interface = {htonl(INADDR_LOOPBACK)}};
	struct ip_mreqn with_index = {.imr_multiaddr = {inet_addr("239.1.2.4")}, .imr_ifindex = 1};
	SAY(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &old, sizeof old));
	SAY(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &old, sizeof old));
	SAY(setsockopt(s, IPPROTO_IP, IP_DROP_MEMBERSHIP, &old, sizeof old));
	SAY(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &with_index, sizeof with_index));
	SAY(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &with_index, 7));
	SAY(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &old.imr_interface, 4));
	struct group_req join = {.gr_interface = 1};
	*(struct sockaddr_in *)&join.gr_group = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {inet_addr("239.1.2.5")}};
	SAY(sizeof join);
	SAY(setsockopt(s, IPPROTO_IP, MCAST_JOIN_GROUP, &join, sizeof join));
	SAY(setsockopt(s, IPPROTO_IP, MCAST_JOIN_GROUP, &join, sizeof join));
	SAY(setsockopt(s, IPPROTO_IP, MCAST_JOIN_GROUP, &join, sizeof join - 1));
	SAY(setsockopt(s, IPPROTO_IP, MCAST_JOIN_GROUP, &join, 3));
	SAY(setsockopt(s, IPPROTO_IP, MCAST_LEAVE_GROUP, &join, sizeof join));
	struct group_source_req from = {.gsr_interface = 1, .gsr_group = join.gr_group, .gsr_source = join.gr_group};
	((struct sockaddr_in *)&from.gsr_source)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	SAY(setsockopt(s, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &from, sizeof from));
	char room[GROUP_FILTER_SIZE(3)] = {0};
	struct group_filter *filter = (void *)room;
	*filter = (struct group_filter){.gf_interface = 1, .gf_group = join.gr_group, .gf_numsrc = 3};
	for (unsigned more = 0; more <= 128; more += 32) {
		socklen_t size = GROUP_FILTER_SIZE(0) + more;
		SAY(getsockopt(s, IPPROTO_IP, MCAST_MSFILTER, filter, &size));
		SAY(size);
		printf("%u sources, mode %u, first %x\n", filter->gf_numsrc, filter->gf_fmode, ((struct sockaddr_in *)filter->gf_slist)->sin_addr.s_addr);
	}
	socklen_t short_size = GROUP_FILTER_SIZE(0) - 1;
	SAY(getsockopt(s, IPPROTO_IP, MCAST_MSFILTER, filter, &short_size));
	filter->gf_numsrc = 0;
	short_size++;
	SAY(getsockopt(s, IPPROTO_IP, MCAST_MSFILTER, filter, &short_size));
	printf("%u sources, %d bytes\n", filter->gf_numsrc, (int)short_size);
	struct { struct ip_msfilter f; uint32_t more[2]; } older = {{.imsf_multiaddr = {inet_addr("239.1.2.5")}, .imsf_interface = {htonl(INADDR_LOOPBACK)}, .imsf_numsrc = 3}, {0}};
	socklen_t size = IP_MSFILTER_SIZE(0);
	SAY(getsockopt(s, IPPROTO_IP, IP_MSFILTER, &older, &size));
	printf("%u sources, %d bytes, first %x\n", older.f.imsf_numsrc, (int)size, older.f.imsf_slist[0].s_addr);
	SAY(setsockopt(s, IPPROTO_IP, MCAST_MSFILTER, filter, GROUP_FILTER_SIZE(1)));
	SAY(setsockopt(s, IPPROTO_IP, MCAST_LEAVE_SOURCE_GROUP, &from, sizeof from));
}

int main(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(s >= 0);
	received(s);
	rights();
	options(s);
	groups(s);
	return 0;
}
