// Unix sockets: streams, datagrams, names, descriptors and credentials in messages.
#include "../check.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	int s[2];
	char buffer[100];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == 0 && fcntl(s[0], F_GETFD) == FD_CLOEXEC);
	CHECK(write(s[0], "hello", 5) == 5 && recv(s[1], buffer, 100, MSG_PEEK) == 5 && read(s[1], buffer, 100) == 5);
	FAILS(recv(s[1], buffer, 100, MSG_DONTWAIT), EAGAIN);
	int none[2];
	FAILS(socketpair(AF_UNIX, 9, 0, none), ESOCKTNOSUPPORT);
	FAILS(socket(99, SOCK_STREAM, 0), EAFNOSUPPORT);
	FAILS(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)8), EFAULT);

	// Descriptors.
	int one = 1;
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == 0);
	int p[2];
	CHECK(pipe(p) == 0);
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(2 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec v = {"fd", 2};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(2 * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), p, sizeof p);
	CHECK(sendmsg(s[0], &m, 0) == 2);
	v = (struct iovec){buffer, 100};
	m.msg_controllen = sizeof control;
	CHECK(recvmsg(s[1], &m, MSG_CMSG_CLOEXEC) == 2 && !(m.msg_flags & MSG_CTRUNC));
	int got[2] = {-1, -1}, creds = 0;
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(2 * sizeof(int)))
			memcpy(got, CMSG_DATA(c), sizeof got);
		if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred u;
			memcpy(&u, CMSG_DATA(c), sizeof u);
			creds = u.pid == getpid() && u.uid == getuid();
		}
	}
	CHECK(creds && got[0] >= 0 && write(got[1], "via", 3) == 3 && read(p[0], buffer, 100) == 3 && fcntl(got[0], F_GETFD) == FD_CLOEXEC);
	struct ucred peer;
	socklen_t len = sizeof peer;
	CHECK(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid == getpid() && peer.gid == getgid());

	// Names.
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "socket"}, b;
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK(bind(l, (void *)&a, sizeof a) == 0 && listen(l, 5) == 0);
	FAILS(accept(l, NULL, NULL), EAGAIN);
	FAILS(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof a), EADDRINUSE);
	struct stat st;
	CHECK(stat("socket", &st) == 0 && S_ISSOCK(st.st_mode));
	int k = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(connect(k, (void *)&a, sizeof a) == 0);
	len = sizeof b;
	int n = accept4(l, (void *)&b, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CHECK(n >= 0 && len == 2 && fcntl(n, F_GETFL) & O_NONBLOCK && fcntl(n, F_GETFD) == FD_CLOEXEC);
	len = sizeof b;
	CHECK(getpeername(k, (void *)&b, &len) == 0 && strcmp(b.sun_path, "socket") == 0);
	CHECK(shutdown(k, SHUT_WR) == 0 && read(n, buffer, 10) == 0);
	FAILS(send(k, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK(unlink("socket") == 0);
	FAILS(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof a), ENOENT);
	FAILS(connect(k, (void *)8, 20), EFAULT);

	// Datagrams, many at once, an abstract name.
	memset(&a, 0, sizeof a);
	a.sun_family = AF_UNIX;
	int alen = 2 + sprintf(a.sun_path + 1, "anyarch-test-%d", getpid()) + 1;
	int d = socket(AF_UNIX, SOCK_DGRAM, 0), e = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK(bind(d, (void *)&a, alen) == 0);
	CHECK(sendto(e, "one", 3, 0, (void *)&a, alen) == 3 && connect(e, (void *)&a, alen) == 0);
	struct iovec w[2] = {{"two!", 4}, {"three", 5}};
	struct mmsghdr mm[4] = {{.msg_hdr = {.msg_iov = &w[0], .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = &w[1], .msg_iovlen = 1}}};
	CHECK(sendmmsg(e, mm, 2, 0) == 2 && mm[0].msg_len == 4 && mm[1].msg_len == 5);
	char in[4][10];
	struct iovec r[4];
	for (int i = 0; i < 4; i++) {
		r[i] = (struct iovec){in[i], 4};
		mm[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &r[i], .msg_iovlen = 1}};
	}
	CHECK(recvmmsg(d, mm, 4, MSG_DONTWAIT, NULL) == 3 && mm[0].msg_len == 3 && mm[2].msg_len == 4 && mm[2].msg_hdr.msg_flags & MSG_TRUNC);
	int q[2];
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, q) == 0 && write(q[0], "ab", 2) == 2 && write(q[0], "c", 1) == 1 && read(q[1], buffer, 10) == 2);
	puts("done");
	return 0;
}
