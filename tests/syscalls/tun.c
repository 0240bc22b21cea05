// A tap device: the filter of what it hands on, which is an address within a structure, and what it tells of itself.
//@ glibc: musl has no strerrorname_np
#include "../say.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXPERIMENTAL 0x88b5

// Sends a frame of each letter through the device, and says which of them it hands on.
static void letters(int tap, int packets, int index)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(EXPERIMENTAL), .sll_ifindex = index, .sll_halen = 6, .sll_addr = {2, 0, 0, 0, 0, 9}};
	for (char c = 'a'; c <= 'e'; c++) {
		char data[50] = {c};
		CHECK(sendto(packets, data, sizeof data, 0, (void *)&to, sizeof to) == sizeof data);
	}
	unsigned char frame[2000];
	long n;
	printf("handed on:");
	while ((n = read(tap, frame, sizeof frame)) > 0)
		if (n == 64 && frame[12] == EXPERIMENTAL >> 8 && frame[13] == (EXPERIMENTAL & 255))
			printf(" %c", frame[14]);
	puts(errno == EAGAIN ? "" : " and an error");
}

int main(void)
{
	int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (tap < 0 || unshare(getuid() ? CLONE_NEWNET | CLONE_NEWUSER : CLONE_NEWNET) != 0) {
		puts("no device, or no namespace");
		return 0;
	}
	// The device belongs to the namespace in which it was opened.
	close(tap);
	tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	struct ifreq one = {.ifr_name = "tap%d", .ifr_flags = IFF_TAP | IFF_NO_PI};
	SAY(ioctl(tap, TUNSETIFF, &one));
	puts(one.ifr_name);
	int s = socket(AF_INET, SOCK_DGRAM, 0), packets = socket(AF_PACKET, SOCK_DGRAM, 0);
	struct ifreq up = {.ifr_flags = IFF_UP};
	strcpy(up.ifr_name, one.ifr_name);
	SAY(ioctl(s, SIOCSIFFLAGS, &up));
	int index = if_nametoindex(one.ifr_name);
	letters(tap, packets, index);
	// Those whose first byte is below 'c'.
	struct sock_filter below[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 'c', 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
	};
	struct sock_fprog program = {4, below}, told;
	SAY(ioctl(tap, TUNATTACHFILTER, &program));
	letters(tap, packets, index);
	memset(&told, -1, sizeof told);
	SAY(ioctl(tap, TUNGETFILTER, &told));
	SAY(told.len);
	SAY(told.filter == below);
	SAY(ioctl(tap, TUNATTACHFILTER, &(struct sock_fprog){0, below}));
	SAY(ioctl(tap, TUNATTACHFILTER, &(struct sock_fprog){4, (void *)8}));
	SAY(ioctl(tap, TUNATTACHFILTER, 8));
	SAY(ioctl(tap, TUNDETACHFILTER, 8));
	letters(tap, packets, index);
	int n = 1;
	SAY(ioctl(tap, TUNSETVNETLE, &n));
	SAY(ioctl(tap, TUNGETVNETLE, &n));
	SAY(n);
	n = 7;
	SAY(ioctl(tap, TUNGETVNETBE, &n) == 0 || errno == EINVAL);
	n = -1;
	SAY(ioctl(tap, TUNSETFILTEREBPF, &n));
	SAY(ioctl(tap, TUNSETSTEERINGEBPF, &n));
	SAY(ioctl(tap, TUNSETFILTEREBPF, 8));
	return 0;
}
