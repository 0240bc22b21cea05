// Requests of ioctl whose structures hold words, as a 32-bit program makes them: times of sockets, routes, interfaces, owners. Nothing behind a structure changes.
//@ narrow
//@ variants: static
#include "../say.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// Room for so many bytes at the end of the last page that can be accessed.
static void *last(size_t size)
{
	static char *end;
	if (!end) {
		end = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(end != MAP_FAILED && mprotect(end + 4096, 4096, PROT_NONE) == 0);
	}
	memset(end, 0, 4096);
	return end + 4096 - size;
}

static void stamps(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in to = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof to;
	CHECK(bind(s, (void *)&to, size) == 0 && getsockname(s, (void *)&to, &size) == 0);
	long stamp[4] = {-1, -1, -1, -1};
	SAY(ioctl(s, 0x8906, stamp));
	for (int i = 0; i < 2; i++) {
		char byte;
		CHECK(sendto(s, "x", 1, 0, (void *)&to, sizeof to) == 1 && recv(s, &byte, 1, 0) == 1);
		memset(stamp, -1, sizeof stamp);
		// SIOCGSTAMP_OLD and SIOCGSTAMPNS_OLD: two words each.
		SAY(ioctl(s, 0x8906 + i, stamp));
		SAY(labs(time(NULL) - stamp[0]) < 1000);
		SAY(stamp[1] >= 0 && stamp[1] < (i ? 1000000000 : 1000000));
		printf("%ld %ld\n", stamp[2], stamp[3]);
		SAY(ioctl(s, 0x8906 + i, last(8)));
		SAY(ioctl(s, 0x8906 + i, last(4)));
		long long wide[3] = {-1, -1, -1};
		SAY(ioctl(s, i ? SIOCGSTAMPNS_NEW : SIOCGSTAMP_NEW, wide));
		SAY(llabs(time(NULL) - wide[0]) < 1000);
		SAY(wide[1] >= 0 && wide[1] < (i ? 1000000000 : 1000000));
		SAY(wide[2]);
	}
	SAY(ioctl(0, 0x8906, stamp) < 0);
	SAY(ioctl(-1, 0x8906, stamp));
	int owner = getpid();
	SAY(ioctl(s, 0x8901 /* FIOSETOWN */, &owner));
	owner = 0;
	SAY(ioctl(s, 0x8903 /* FIOGETOWN */, &owner));
	SAY(owner == getpid());
	close(s);
}

static void set(struct sockaddr *a, const char *address)
{
	*(struct sockaddr_in *)a = (struct sockaddr_in){AF_INET, 0, {inet_addr(address)}};
}

// Lines of a file that begin so, and so many characters of each: counters and states follow.
static void show(const char *path, const char *start, int most)
{
	char line[300];
	FILE *f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof line, f))
		if (strncmp(line, start, strlen(start)) == 0)
			printf("%.*s\n", most, line);
	fclose(f);
}

static void routes(void)
{
	if (unshare(getuid() ? CLONE_NEWNET | CLONE_NEWUSER : CLONE_NEWNET) != 0) {
		puts("no namespace");
		return;
	}
	int s = socket(AF_INET, SOCK_DGRAM, 0), packets = socket(AF_PACKET, SOCK_DGRAM, 0);
	struct ifreq *one = last(sizeof *one);
	strcpy(one->ifr_name, "lo");
	one->ifr_flags = IFF_UP;
	SAY(sizeof *one);
	SAY(ioctl(s, SIOCSIFFLAGS, one));
	SAY(sizeof(struct rtentry));
	struct rtentry *route = last(sizeof *route);
	char device[] = "lo";
	set(&route->rt_dst, "10.1.2.0");
	set(&route->rt_genmask, "255.255.255.0");
	route->rt_flags = RTF_UP | RTF_MTU | RTF_WINDOW;
	route->rt_metric = 6;
	route->rt_dev = device;
	route->rt_mtu = 1234;
	route->rt_window = 7000;
	SAY(ioctl(s, SIOCADDRT, route));
	SAY(ioctl(s, SIOCADDRT, route));
	show("/proc/net/route", "lo", 70);
	SAY(ioctl(s, SIOCADDRT, (char *)route + 4));
	SAY(ioctl(s, SIOCDELRT, route));
	SAY(ioctl(s, SIOCDELRT, route));
	route->rt_dev = (char *)8;
	SAY(ioctl(s, SIOCADDRT, route));
	SAY(ioctl(1000, SIOCADDRT, route));
	SAY(ioctl(open("/dev/null", O_RDWR), SIOCADDRT, route));
	SAY(ioctl(socket(AF_UNIX, SOCK_STREAM, 0), SIOCADDRT, route));
	show("/proc/net/route", "lo", 70);

	int six = socket(AF_INET6, SOCK_DGRAM, 0);
	if (six >= 0) {
		struct in6_rtmsg *message = last(sizeof *message);
		SAY(sizeof *message);
		inet_pton(AF_INET6, "fd12::", &message->rtmsg_dst);
		message->rtmsg_dst_len = 64;
		message->rtmsg_metric = 77;
		message->rtmsg_flags = RTF_UP;
		message->rtmsg_ifindex = if_nametoindex("lo");
		SAY(ioctl(six, SIOCADDRT, message));
		show("/proc/net/ipv6_route", "fd", 113);
		SAY(ioctl(six, SIOCDELRT, message));
		SAY(ioctl(six, SIOCDELRT, message));
		struct { struct in6_addr address; unsigned length; int index; } *address = last(sizeof *address);
		inet_pton(AF_INET6, "fd34::1", &address->address);
		address->length = 64;
		address->index = if_nametoindex("lo");
		SAY(ioctl(six, SIOCSIFADDR, address));
		show("/proc/net/if_inet6", "fd", 38);
		SAY(ioctl(six, SIOCDIFADDR, address));
		SAY(ioctl(six, SIOCDIFADDR, address));
	}
	// What carries an interface, to the end of what can be accessed.
	const int requests[] = {SIOCGMIIPHY, SIOCGMIIREG, SIOCSMIIREG, SIOCGIFPFLAGS, SIOCSIFHWBROADCAST, 0x89b0, 0x89b1, 0x8990, 0x8993, 0x8994, 0x89f0, 0x89f1, 0x89f8};
	for (int i = 0; i < 13; i++) {
		one = last(sizeof *one);
		strcpy(one->ifr_name, "lo");
		printf("%x: ", requests[i]);
		SAY(ioctl(s, requests[i], one));
	}
	long bridges[3] = {0};
	memcpy(one = last(sizeof bridges), bridges, sizeof bridges);
	SAY(ioctl(s, SIOCGIFBR, one) >= 0 || errno == ENOPKG || errno == ENOTTY);
	close(packets);
}

int main(void)
{
	stamps();
	routes();
	return 0;
}
