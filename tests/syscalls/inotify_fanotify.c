// Watching files.
#include "../check.h"
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
	int in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	CHECK(in >= 0 && mkdir("dir", 0755) == 0);
	int watch = inotify_add_watch(in, "dir", IN_CREATE | IN_DELETE | IN_MOVE | IN_CLOSE_WRITE);
	CHECK(watch >= 0);
	close(open("dir/a", O_CREAT | O_WRONLY, 0600));
	rename("dir/a", "dir/b");
	unlink("dir/b");
	char buffer[4096] __attribute__((aligned(8)));
	ssize_t n = read(in, buffer, sizeof buffer);
	CHECK(n > 0);
	uint32_t cookie = 0;
	for (char *p = buffer; p < buffer + n;) {
		struct inotify_event *e = (void *)p;
		CHECK(e->wd == watch);
		if (e->mask & IN_MOVED_TO)
			CHECK(e->cookie == cookie && cookie);
		cookie = e->cookie;
		printf("%x %s\n", e->mask, e->name);
		p += sizeof *e + e->len;
	}
	FAILS(read(in, buffer, sizeof buffer), EAGAIN);
	CHECK(inotify_rm_watch(in, watch) == 0);
	FAILS(inotify_rm_watch(in, watch), EINVAL);
	FAILS(inotify_add_watch(in, "none", IN_CREATE), ENOENT);
	FAILS(inotify_add_watch(in, "dir", 0), EINVAL);

	int fan = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY | O_LARGEFILE);
	printf("fanotify %s\n", fan >= 0 ? "yes" : strerror(errno));
	if (fan >= 0) {
		CHECK(fanotify_mark(fan, FAN_MARK_ADD, FAN_MODIFY | FAN_CLOSE_WRITE | FAN_EVENT_ON_CHILD, AT_FDCWD, "dir") == 0);
		int fd = open("dir/c", O_CREAT | O_WRONLY, 0600);
		CHECK(write(fd, "x", 1) == 1 && close(fd) == 0);
		n = read(fan, buffer, sizeof buffer);
		CHECK(n >= (ssize_t)sizeof(struct fanotify_event_metadata));
		struct fanotify_event_metadata *m = (void *)buffer;
		CHECK(m->vers == FANOTIFY_METADATA_VERSION && m->pid == getpid() && m->fd >= 0);
		printf("mask %llx flags %x\n", (long long)m->mask, fcntl(m->fd, F_GETFL) & O_ACCMODE);
		FAILS(fanotify_mark(fan, FAN_MARK_ADD, 0, AT_FDCWD, "dir"), EINVAL);
	}
	// Without root's rights other flags are looked at first.
	CHECK(fanotify_init(0x80000000, 0) == -1);
	printf("unknown flags: %s\n", strerror(errno));
	puts("done");
	return 0;
}
