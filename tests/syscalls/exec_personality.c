// execve and the personality READ_IMPLIES_EXEC: arm64 and x86-64 take it away, riscv64 keeps it (SET_PERSONALITY in each one's asm/elf.h). The other bits stay.
#include "../check.h"
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __riscv
enum { KEPT = READ_IMPLIES_EXEC };
#else
enum { KEPT = 0 };
#endif

// Whether a mapping of the process is executable.
static int executable(void *at)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	CHECK(maps);
	char line[512], perms[8];
	unsigned long start, end;
	while (fgets(line, sizeof line, maps))
		if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) == 3 && start <= (unsigned long)at && (unsigned long)at < end) {
			fclose(maps);
			return perms[2] == 'x';
		}
	CHECK(!"mapped");
	return -1;
}

int main(int argc, char **argv)
{
	char *self = getenv("TEST_SELF");
	CHECK(self);
	if (argc > 2) {
		// The program that was started, and one that it starts.
		int want = atoi(argv[1]);
		CHECK(personality(0xffffffff) == want);
		CHECK(!getenv("ANYARCH_IMPLIED_EXEC"));
		void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(at != MAP_FAILED && executable(at) == !!(want & READ_IMPLIES_EXEC));
		if (atoi(argv[2]) == 0)
			return 0;
		execl(self, self, argv[1], "0", NULL);
		return 1;
	}
	int old = personality(0xffffffff);
	CHECK(old >= 0);
	for (int bits = 0; bits < 4; bits++) {
		int new = old | (bits & 1 ? READ_IMPLIES_EXEC : 0) | (bits & 2 ? ADDR_NO_RANDOMIZE : 0);
		char want[16];
		snprintf(want, sizeof want, "%d", (new & ~READ_IMPLIES_EXEC) | (new & KEPT));
		pid_t pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			CHECK(personality(new) == old);
			execl(self, self, want, "1", NULL);
			_exit(1);
		}
		int status;
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
	puts("done");
	return 0;
}
