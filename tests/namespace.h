// A user namespace of the caller's own, for programs that mount something and may be run without
// root's rights.
#pragma once
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static int own_ids(const char *file, const char *text, int len)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	int written = fd >= 0 && write(fd, text, len) == len;
	if (fd >= 0)
		close(fd);
	return written ? 0 : -1;
}

// unshare(2) of it with the other `flags`; 0 or -1. It knows the caller's ids, and only these:
// without them nothing can be made on a file system that is mounted there (EOVERFLOW).
static int unshare_user(int flags)
{
	char uids[64], gids[64];
	int uid = geteuid(), gid = getegid();
	int u = snprintf(uids, sizeof uids, "%d %d 1", uid, uid), g = snprintf(gids, sizeof gids, "%d %d 1", gid, gid);
	if (unshare(flags | CLONE_NEWUSER) != 0 || own_ids("/proc/self/uid_map", uids, u) != 0)
		return -1;
	// Asked for before a group may be named.
	return own_ids("/proc/self/setgroups", "deny", 4) != 0 ? -1 : own_ids("/proc/self/gid_map", gids, g);
}
