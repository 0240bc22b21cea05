// Extended attributes.
#include "../check.h"
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

int main(void)
{
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	char buffer[200];
	if (setxattr("file", "user.one", "first", 5, 0) != 0) {
		printf("%s\n", strerror(errno));
		return 0;
	}
	CHECK(symlink("file", "link") == 0);
	CHECK(getxattr("file", "user.one", buffer, 200) == 5 && memcmp(buffer, "first", 5) == 0);
	CHECK(getxattr("link", "user.one", NULL, 0) == 5 && fgetxattr(fd, "user.one", buffer, 200) == 5);
	FAILS(getxattr("file", "user.one", buffer, 2), ERANGE);
	FAILS(getxattr("file", "user.two", buffer, 2), ENODATA);
	FAILS(setxattr("file", "user.one", "x", 1, XATTR_CREATE), EEXIST);
	FAILS(setxattr("file", "user.two", "x", 1, XATTR_REPLACE), ENODATA);
	FAILS(lgetxattr("link", "user.one", buffer, 200), ENODATA);
	CHECK(fsetxattr(fd, "user.two", "", 0, XATTR_CREATE) == 0 && getxattr("file", "user.two", buffer, 200) == 0);
	int n = listxattr("file", buffer, 200), seen = 0;
	for (char *p = buffer; p < buffer + n; p += strlen(p) + 1)
		seen += strncmp(p, "user.", 5) == 0;
	CHECK(seen == 2 && flistxattr(fd, NULL, 0) == n && llistxattr("file", buffer, 200) == n);
	CHECK(removexattr("file", "user.one") == 0 && fremovexattr(fd, "user.two") == 0);
	FAILS(removexattr("file", "user.one"), ENODATA);
	FAILS(setxattr("file", "bogus.x", "x", 1, 0), EOPNOTSUPP);
	FAILS(setxattr((char *)8, "user.x", "x", 1, 0), EFAULT);
	FAILS(setxattr("file", "user.x", (void *)8, 1, 0), EFAULT);
	puts("done");
	return 0;
}
