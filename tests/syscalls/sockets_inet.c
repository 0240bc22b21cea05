// TCP, UDP and netlink on the loopback device of a network namespace of its own, if that can be had; options.
#include "../check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;
	CHECK(getsockopt(fd, level, name, &value, &len) == 0 && len == sizeof value);
	return value;
}

int main(void)
{
	char buffer[1000];
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	CHECK(l >= 0 && setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 && option(l, SOL_SOCKET, SO_REUSEADDR) == 1);
	CHECK(option(l, SOL_SOCKET, SO_TYPE) == SOCK_STREAM && option(l, SOL_SOCKET, SO_DOMAIN) == AF_INET && option(l, SOL_SOCKET, SO_ERROR) == 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, b;
	CHECK(bind(l, (void *)&a, sizeof a) == 0 && listen(l, 5) == 0 && option(l, SOL_SOCKET, SO_ACCEPTCONN) == 1);
	socklen_t len = sizeof a;
	CHECK(getsockname(l, (void *)&a, &len) == 0 && len == sizeof a && ntohs(a.sin_port) > 0);
	pid_t child = fork();
	if (child == 0) {
		int c = socket(AF_INET, SOCK_STREAM, 0);
		CHECK(connect(c, (void *)&a, sizeof a) == 0);
		CHECK(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0 && option(c, IPPROTO_TCP, TCP_NODELAY) == 1);
		for (int i = 0; i < 1000; i++)
			CHECK(send(c, "0123456789", 10, 0) == 10);
		CHECK(shutdown(c, SHUT_WR) == 0 && recv(c, buffer, 3, MSG_WAITALL) == 3 && memcmp(buffer, "bye", 3) == 0);
		_exit(0);
	}
	len = sizeof b;
	int s = accept(l, (void *)&b, &len), n, total = 0;
	CHECK(s >= 0 && b.sin_family == AF_INET && b.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	while ((n = recv(s, buffer, sizeof buffer, 0)) > 0)
		total += n;
	CHECK(n == 0 && total == 10000);
	struct tcp_info info;
	len = sizeof info;
	CHECK(getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state == 8 /* TCP_CLOSE_WAIT */);
	CHECK(send(s, "bye", 3, 0) == 3);
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0);

	int u = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), w = socket(AF_INET, SOCK_DGRAM, 0);
	a.sin_port = 0;
	len = sizeof a;
	CHECK(bind(u, (void *)&a, sizeof a) == 0 && getsockname(u, (void *)&a, &len) == 0);
	CHECK(setsockopt(u, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) == 0);
	FAILS(recvfrom(u, buffer, 10, 0, (void *)&b, &len), EAGAIN);
	CHECK(sendto(w, "udp", 3, 0, (void *)&a, sizeof a) == 3);
	struct pollfd p = {u, POLLIN, 0};
	CHECK(poll(&p, 1, 5000) == 1);
	char control[200];
	struct iovec v = {buffer, 1000};
	struct msghdr m = {.msg_name = &b, .msg_namelen = sizeof b, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	CHECK(recvmsg(u, &m, 0) == 3 && m.msg_namelen == sizeof b);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO);
	CHECK(((struct in_pktinfo *)CMSG_DATA(c))->ipi_addr.s_addr == htonl(INADDR_LOOPBACK));
	struct timeval tv = {0, 5000};
	CHECK(setsockopt(w, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	FAILS(recv(w, buffer, 10, 0), EAGAIN);
	struct linger lg = {1, 5};
	CHECK(setsockopt(l, SOL_SOCKET, SO_LINGER, &lg, sizeof lg) == 0);
	FAILS(setsockopt(l, SOL_SOCKET, 9999, &one, sizeof one), ENOPROTOOPT);
	FAILS(getsockopt(l, SOL_SOCKET, SO_TYPE, (void *)8, &len), EFAULT);
	int ready;
	CHECK(ioctl(u, FIONREAD, &ready) == 0 && ready == 0 && ioctl(u, FIONBIO, &one) == 0);
	struct ifreq r = {.ifr_name = "lo"};
	CHECK(ioctl(u, SIOCGIFINDEX, &r) == 0 && r.ifr_ifindex == (int)if_nametoindex("lo"));
	CHECK(ioctl(u, SIOCGIFFLAGS, &r) == 0 && r.ifr_flags & IFF_LOOPBACK);

	int s6 = socket(AF_INET6, SOCK_STREAM, 0);
	printf("ipv6 %s\n", s6 >= 0 ? "yes" : strerror(errno));
	if (s6 >= 0) {
		CHECK(setsockopt(s6, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == 0 && option(s6, IPPROTO_IPV6, IPV6_V6ONLY) == 1);
		struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
		CHECK(bind(s6, (void *)&a6, sizeof a6) == 0 && listen(s6, 1) == 0);
	}

	// Netlink.
	int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	CHECK(nl >= 0);
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} request = {{sizeof request, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {0}};
	struct sockaddr_nl kernel = {AF_NETLINK};
	CHECK(sendto(nl, &request, sizeof request, 0, (void *)&kernel, sizeof kernel) == sizeof request);
	static char dump[65536] __attribute__((aligned(8)));
	int found = 0;
	for (int more = 1; more;) {
		n = recv(nl, dump, sizeof dump, 0);
		CHECK(n > 0);
		for (struct nlmsghdr *h = (void *)dump; NLMSG_OK(h, (unsigned)n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_DONE)
				more = 0;
			else
				found += ((struct ifinfomsg *)NLMSG_DATA(h))->ifi_flags & IFF_LOOPBACK ? 1 : 0;
		}
	}
	CHECK(found == 1);
	struct ifaddrs *list, *i;
	CHECK(getifaddrs(&list) == 0);
	for (found = 0, i = list; i; i = i->ifa_next)
		found |= i->ifa_addr && i->ifa_addr->sa_family == AF_INET && ((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
	CHECK(found);
	puts("done");
	return 0;
}
