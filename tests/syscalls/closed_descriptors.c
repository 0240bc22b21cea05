// Calls that are given a descriptor which is not open, for every number: also those that say something else than EBADF, or nothing.
#include "../check.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
	for (int fd = 4; fd < 1024; fd++) {
		FAILS(syscall(SYS_dup3, fd, fd, 0), EINVAL);
		FAILS(syscall(SYS_dup3, fd, 3, 0), EBADF);
		FAILS(fcntl(fd, F_GETFD), EBADF);
		FAILS(openat(fd, "null", O_RDONLY), EBADF);
		int open = openat(fd, "/dev/null", O_RDONLY);
		CHECK(open == 3 && close(open) == 0);
		struct stat st;
		CHECK(fstatat(fd, "/dev/null", &st, 0) == 0 && S_ISCHR(st.st_mode));
		FAILS(fstatat(fd, "", &st, AT_EMPTY_PATH), EBADF);
		CHECK(syscall(SYS_close_range, fd, fd, 0) == 0);
		CHECK(syscall(SYS_close_range, fd, ~0u, 0) == 0);
		FAILS(syscall(SYS_close_range, fd, fd - 1, 0), EINVAL);
		FAILS(syscall(SYS_close_range, fd, fd, 0x40), EINVAL);
	}
	puts("ok");
}
