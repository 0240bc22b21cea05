// Code in memory that a child of fork does not get (MADV_DONTFORK), gets as zeros
// (MADV_WIPEONFORK), or gets after all: what ran in the parent does not run in the child.
#include "../child.h"
#include "../made_code.h"
#include <signal.h>
#include <sys/mman.h>

static void *page;

static void call(void) { _exit(call_made(page)); }

// The function is the parent's page's; what is mapped there since is the child's.
static void call_new(void)
{
	CHECK(mmap(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
	make_function(page, 8);
	_exit(call_made(page));
}

int main(void)
{
	for (int wipe = 0; wipe < 2; wipe++) {
		page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(page != MAP_FAILED);
		make_function(page, 7);
		CHECK(call_made(page) == 7);
		CHECK(madvise(page, 4096, wipe ? MADV_WIPEONFORK : MADV_DONTFORK) == 0);
		CHECK(WIFSIGNALED(status_of(call)));
		CHECK(call_made(page) == 7);
		int status = status_of(call_new);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 8);
		CHECK(madvise(page, 4096, wipe ? MADV_KEEPONFORK : MADV_DOFORK) == 0);
		status = status_of(call);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	}
	puts("done");
}
