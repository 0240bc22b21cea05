// Namespaces and the mount family, in a child.
#include "../check.h"
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static void inside(uid_t uid, gid_t gid)
{
	char text[100];
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC) != 0) {
		printf("unshare: %s\n", strerror(errno));
		exit(0);
	}
	file("/proc/self/setgroups", "deny");
	sprintf(text, "0 %d 1", uid);
	file("/proc/self/uid_map", text);
	sprintf(text, "0 %d 1", gid);
	file("/proc/self/gid_map", text);
	CHECK(getuid() == 0 && getgid() == 0);
	struct utsname u;
	CHECK(sethostname("inside", 6) == 0 && setdomainname("dom", 3) == 0 && uname(&u) == 0 && strcmp(u.nodename, "inside") == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mkdir("root", 0755) == 0 && mount("none", "root", "tmpfs", MS_NOSUID, "size=1m,mode=755") == 0);
	CHECK(mkdir("root/a", 0755) == 0 && mkdir("root/b", 0755) == 0 && mkdir("root/old", 0755) == 0);
	CHECK(mount("root/a", "root/b", NULL, MS_BIND, NULL) == 0 && close(open("root/a/file", O_CREAT | O_WRONLY, 0600)) == 0);
	CHECK(access("root/b/file", F_OK) == 0);
	CHECK(mount(NULL, "root/b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL) == 0);
	FAILS(open("root/b/x", O_CREAT | O_WRONLY, 0600), EROFS);
	CHECK(umount2("root/b", MNT_DETACH) == 0);
	FAILS(umount("root/b"), EINVAL);
	FAILS(mount("none", "root/b", "nosuchfs", 0, NULL), ENODEV);

	// The new interface.
	int fs = syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	CHECK(fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", "2m", 0) == 0);
	FAILS(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "bogus", "2m", 0), EINVAL);
	CHECK(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0);
	int mnt = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
	CHECK(mnt >= 0 && syscall(SYS_move_mount, mnt, "", AT_FDCWD, "root/b", MOVE_MOUNT_F_EMPTY_PATH) == 0);
	CHECK(close(open("root/b/new", O_CREAT | O_WRONLY, 0600)) == 0);
	int tree = syscall(SYS_open_tree, AT_FDCWD, "root/b", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	CHECK(tree >= 0 && faccessat(tree, "new", F_OK, 0) == 0);
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	CHECK(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0);
	FAILS(openat(tree, "x", O_CREAT | O_WRONLY, 0600), EROFS);
	FAILS(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, 5), EINVAL);

	CHECK(chdir("root") == 0 && syscall(SYS_pivot_root, ".", "old") == 0 && chroot(".") == 0 && chdir("/") == 0);
	CHECK(access("/a/file", F_OK) == 0 && umount2("/old", MNT_DETACH) == 0 && access("/old/proc", F_OK) == -1);
	char *cwd = getcwd(text, sizeof text);
	CHECK(cwd && strcmp(cwd, "/") == 0);
	puts("inside done");
	exit(0);
}

int main(void)
{
	int self = open("/proc/self/ns/uts", O_RDONLY);
	uid_t uid = getuid();
	gid_t gid = getgid();
	pid_t child = fork();
	if (child == 0)
		inside(uid, gid);
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	FAILS(unshare(1), EINVAL);
	FAILS(setns(0, CLONE_NEWUTS), EINVAL);
	if (uid == 0) {
		child = fork();
		if (child == 0) {
			struct utsname a, b;
			CHECK(uname(&a) == 0 && unshare(CLONE_NEWUTS) == 0 && sethostname("other", 5) == 0);
			CHECK(setns(self, CLONE_NEWUTS) == 0 && uname(&b) == 0 && strcmp(a.nodename, b.nodename) == 0);
			// A process id namespace: the child is its first process.
			CHECK(unshare(CLONE_NEWPID) == 0);
			pid_t first = fork();
			if (first == 0)
				_exit(getpid() == 1 && getppid() == 0 ? 11 : 12);
			CHECK(waitpid(first, &status, 0) == first && WEXITSTATUS(status) == 11);
			_exit(0);
		}
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
	puts("done");
	return 0;
}
