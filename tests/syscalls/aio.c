// The kernel's asynchronous I/O.
#include "../check.h"
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	aio_context_t context = 0;
	if (syscall(SYS_io_setup, 8, &context) != 0) {
		printf("%s\n", strerror(errno));
		return 0;
	}
	int fd = open("file", O_RDWR | O_CREAT, 0600), ev = eventfd(0, 0);
	char text[] = "asynchronous", buffer[50];
	struct iocb w = {.aio_data = 0x1122334455667788, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = fd, .aio_buf = (uintptr_t)text, .aio_nbytes = 12, .aio_offset = 5,
	                 .aio_flags = IOCB_FLAG_RESFD, .aio_resfd = ev};
	struct iocb r = {.aio_data = 2, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd, .aio_buf = (uintptr_t)buffer, .aio_nbytes = 50, .aio_offset = 6};
	struct iocb *list[] = {&w, &r};
	struct io_event e[4];
	CHECK(syscall(SYS_io_submit, context, 1, list) == 1);
	struct timespec ts = {5, 0};
	CHECK(syscall(SYS_io_getevents, context, 1, 4, e, &ts) == 1 && e[0].data == 0x1122334455667788 && e[0].res == 12 && e[0].obj == (uintptr_t)&w);
	uint64_t n;
	CHECK(read(ev, &n, 8) == 8 && n == 1);
	CHECK(syscall(SYS_io_submit, context, 1, list + 1) == 1);
	struct {
		const sigset_t *set;
		size_t size;
	} mask = {NULL, 8};
	CHECK(syscall(SYS_io_pgetevents, context, 1, 4, e, &ts, &mask) == 1 && e[0].data == 2 && e[0].res == 11 && memcmp(buffer, "synchronous", 11) == 0);
	sigset_t none;
	sigemptyset(&none);
	mask.set = &none;
	ts = (struct timespec){0, 2000000};
	CHECK(syscall(SYS_io_pgetevents, context, 1, 4, e, &ts, &mask) == 0);
	mask.size = 3;
	FAILS(syscall(SYS_io_pgetevents, context, 1, 4, e, &ts, &mask), EINVAL);
	r.aio_fildes = 99;
	FAILS(syscall(SYS_io_submit, context, 1, list + 1), EBADF);
	FAILS(syscall(SYS_io_submit, context, 1, 8), EFAULT);
	CHECK(syscall(SYS_io_destroy, context) == 0);
	FAILS(syscall(SYS_io_destroy, context), EINVAL);
	puts("done");
	return 0;
}
