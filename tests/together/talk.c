// Two processes, of two guests or of one: started by execve, they talk through shared memory, a futex in it, and a socket with descriptors and credentials.
#include "../check.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
	uint32_t word, pad;
	uint64_t wide;
	char text[64];
};

static void wait_while(uint32_t *word, uint32_t value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
		syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void send_fd(int socket, int fd)
{
	char byte = 'f', control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_len = CMSG_LEN(sizeof(int)), c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	CHECK(sendmsg(socket, &m, 0) == 1);
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	CHECK(recvmsg(socket, &m, 0) == 1 && byte == 'f');
	int fd = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(c), sizeof fd);
	CHECK(fd >= 0);
	return fd;
}

static struct shared *map(int fd)
{
	struct shared *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(s != MAP_FAILED);
	return s;
}

// talk OTHER: starts OTHER as `OTHER socket`, and is its parent.
int main(int argc, char **argv)
{
	CHECK(argc == 2);
	if (argv[1][0] >= '0' && argv[1][0] <= '9') {
		int socket = atoi(argv[1]);
		struct shared *s = map(receive_fd(socket));
		CHECK(s->wide == 0x1122334455667788 && strcmp(getenv("TALK"), "words") == 0);
		set(&s->word, 1);
		wait_while(&s->word, 1);
		CHECK(strcmp(s->text, "from the first") == 0);
		strcpy(s->text, "from the second");
		s->wide += 0x100000001;
		set(&s->word, 3);
		int file = open("made", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		CHECK(write(file, "a file", 6) == 6);
		send_fd(socket, file);
		return 7;
	}
	int sockets[2], memory = syscall(SYS_memfd_create, "talk", 0);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) == 0 && ftruncate(memory, 4096) == 0);
	CHECK(setenv("TALK", "words", 1) == 0);
	struct shared *s = map(memory);
	s->wide = 0x1122334455667788;
	pid_t child = fork();
	if (child == 0) {
		char number[20];
		sprintf(number, "%d", sockets[1]);
		close(sockets[0]);
		execl(argv[1], argv[1], number, NULL);
		_exit(99);
	}
	close(sockets[1]);
	send_fd(sockets[0], memory);
	wait_while(&s->word, 0);
	strcpy(s->text, "from the first");
	set(&s->word, 2);
	wait_while(&s->word, 2);
	CHECK(strcmp(s->text, "from the second") == 0 && s->wide == 0x1122334555667789);
	int file = receive_fd(sockets[0]);
	char text[10] = "";
	CHECK(pread(file, text, 10, 0) == 6 && strcmp(text, "a file") == 0);
	int status;
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	return 5;
}
