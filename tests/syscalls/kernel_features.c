// Calls that stand alone: names, random numbers, barriers, keys, memory policies, Landlock, BPF, events, user faults.
#include "../check.h"
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/membarrier.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static int in_child(void (*f)(void))
{
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		f();
		fflush(stdout);
		_exit(0);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child);
	return status;
}

static void landlock(void)
{
	int abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	printf("landlock %s\n", abi > 0 ? "yes" : strerror(errno));
	if (abi <= 0)
		return;
	struct landlock_ruleset_attr attr = {.handled_access_fs = LANDLOCK_ACCESS_FS_WRITE_FILE};
	int rules = syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	int dir = open(".", O_PATH | O_DIRECTORY);
	CHECK(mkdir("allowed", 0755) == 0);
	struct landlock_path_beneath_attr beneath = {.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE, .parent_fd = openat(dir, "allowed", O_PATH | O_DIRECTORY)};
	CHECK(rules >= 0 && syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_landlock_restrict_self, rules, 0) == 0);
	FAILS(open("denied", O_WRONLY | O_CREAT, 0600), EACCES);
	CHECK(open("allowed/file", O_WRONLY | O_CREAT, 0600) >= 0 && open(".", O_RDONLY) >= 0);
}

static void userfault(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	printf("userfaultfd %s\n", fd >= 0 ? "yes" : strerror(errno));
	if (fd < 0)
		return;
	long page = sysconf(_SC_PAGESIZE);
	struct uffdio_api api = {.api = UFFD_API};
	char *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register reg = {{(uintptr_t)p, page}, UFFDIO_REGISTER_MODE_MISSING};
	CHECK(ioctl(fd, UFFDIO_API, &api) == 0 && ioctl(fd, UFFDIO_REGISTER, &reg) == 0);
	static char source[65536];
	strcpy(source, "filled");
	struct uffdio_copy copy = {.dst = (uintptr_t)p, .src = (uintptr_t)source, .len = page};
	CHECK(ioctl(fd, UFFDIO_COPY, &copy) == 0 && copy.copy == page && strcmp(p, "filled") == 0);
	char c;
	FAILS(read(fd, &c, 1), EINVAL);
}

int main(void)
{
	struct utsname u;
	CHECK(uname(&u) == 0);
	printf("%s %d\n", u.sysname, u.release[0] >= '3');
#ifdef __aarch64__
	CHECK(strcmp(u.machine, "aarch64") == 0);
#elif defined __riscv
	CHECK(strcmp(u.machine, "riscv64") == 0);
#endif
	FAILS(syscall(SYS_uname, 8), EFAULT);

	char a[300] = {0}, b[300] = {0};
	CHECK(getrandom(a, 300, 0) == 300 && getrandom(b, 256, GRND_NONBLOCK) == 256 && memcmp(a, b, 256) != 0);
	FAILS(getrandom(a, 5, 99), EINVAL);
	FAILS(getrandom((void *)8, 5, 0), EFAULT);

	int commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	CHECK(commands > 0 && commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 && syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
	FAILS(syscall(SYS_membarrier, 1 << 30, 0, 0), EINVAL);

	int key = syscall(SYS_add_key, "user", "anyarch-test", "payload", 7, KEY_SPEC_PROCESS_KEYRING);
	printf("keys %s\n", key > 0 ? "yes" : strerror(errno));
	if (key > 0) {
		CHECK(syscall(SYS_keyctl, KEYCTL_READ, key, a, 100) == 7 && memcmp(a, "payload", 7) == 0);
		CHECK(syscall(SYS_request_key, "user", "anyarch-test", NULL, 0) == key);
		CHECK(syscall(SYS_keyctl, KEYCTL_REVOKE, key) == 0);
		FAILS(syscall(SYS_keyctl, KEYCTL_READ, key, a, 100), EKEYREVOKED);
	}

	int mode = -1;
	long r = syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0);
	printf("mempolicy %ld %d\n", r, mode);
	if (r == 0) {
		unsigned long nodes = 1;
		char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(syscall(SYS_set_mempolicy, 1 /* MPOL_PREFERRED */, &nodes, 64) == 0 && syscall(SYS_mbind, p, 4096, 2 /* MPOL_BIND */, &nodes, 64, 0) == 0);
	}

	CHECK(in_child(landlock) == 0 && in_child(userfault) == 0);

	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 4};
	int map = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
	printf("bpf %s\n", map >= 0 ? "yes" : strerror(errno));
	if (map >= 0) {
		uint32_t k = 2;
		uint64_t v = 0x1234567812345678, w = 0;
		attr = (union bpf_attr){.map_fd = map, .key = (uintptr_t)&k, .value = (uintptr_t)&v};
		CHECK(syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof attr) == 0);
		attr.value = (uintptr_t)&w;
		CHECK(syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof attr) == 0 && w == v);
	}
	struct perf_event_attr perf = {.type = PERF_TYPE_SOFTWARE, .size = sizeof perf, .config = PERF_COUNT_SW_TASK_CLOCK};
	int event = syscall(SYS_perf_event_open, &perf, 0, -1, -1, 0);
	uint64_t n = 0;
	printf("perf %s\n", event >= 0 ? "yes" : strerror(errno));
	if (event >= 0)
		CHECK(read(event, &n, 8) == 8 && ioctl(event, PERF_EVENT_IOC_RESET, 0) == 0);

	// Clean refusals.
	FAILS(syscall(9999), ENOSYS);
	FAILS(syscall(-1), ENOSYS);
	FAILS(syscall(SYS_restart_syscall), EINTR);
	puts("done");
	return 0;
}
