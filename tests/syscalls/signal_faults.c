// Faults as signals: codes, addresses, repair and continue, alternate stacks, and what blocking or ignoring them means.
//@ variants: static musl interp
//@ flags: -Wno-array-bounds -Wno-stringop-overflow -Wno-infinite-recursion
#include "../check.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf env;
siginfo_t info;
static char *volatile page;
static volatile int count, on_altstack_ok;
static char altstack[65536];

static void jump(int signo, siginfo_t *i, void *context)
{
	(void)context;
	info = *i;
	char here;
	on_altstack_ok = &here >= altstack && &here < altstack + sizeof altstack;
	siglongjmp(env, signo);
}

static void repair(int signo, siginfo_t *i, void *context)
{
	(void)context;
	CHECK(signo == SIGSEGV);
	info = *i;
	count++;
	CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
}

static void handle(int signo, void (*f)(int, siginfo_t *, void *), int flags)
{
	struct sigaction a = { .sa_sigaction = f, .sa_flags = flags | SA_SIGINFO };
	CHECK(sigaction(signo, &a, NULL) == 0);
}

#define CATCH(signo, statement)                                           \
	do {                                                              \
		volatile int caught = sigsetjmp(env, 1);                  \
		if (caught == 0) {                                        \
			statement;                                        \
			CHECK(!"no fault");                               \
		}                                                         \
		CHECK(caught == (signo) && info.si_signo == (signo));     \
	} while (0)

static __attribute__((noinline)) int overflow(int n)
{
	volatile char room[1000];
	room[n % 1000] = (char)n;
	return overflow(n + 1) + room[(n + 1) % 1000];
}

static int status_of(void (*f)(void))
{
	int status;
	fflush(stdout);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		struct rlimit none = { 0, 0 };
		setrlimit(RLIMIT_CORE, &none);
		f();
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	return status;
}

static void fault(void)
{
	*(volatile char *)8 = 1;
}

static void fault_default(void)
{
	signal(SIGSEGV, SIG_DFL);
	fault();
}

static void fault_ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	fault();
}

static void fault_blocked(void)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	handle(SIGSEGV, jump, 0);
	fault();
}

static void again(int signo, siginfo_t *i, void *context)
{
	(void)signo, (void)i, (void)context;
	fault();
}

static void fault_in_handler(void)
{
	handle(SIGSEGV, again, 0);
	fault();
}

static void overflow_without_altstack(void)
{
	stack_t off = { .ss_flags = SS_DISABLE };
	CHECK(sigaltstack(&off, NULL) == 0);
	handle(SIGSEGV, jump, SA_ONSTACK);
	overflow(0);
}

int main(void)
{
	page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(munmap(page + 8192, 4096) == 0);
	handle(SIGSEGV, jump, 0);
	handle(SIGBUS, jump, 0);
	handle(SIGTRAP, jump, 0);
	handle(SIGILL, jump, 0);

	CATCH(SIGSEGV, *(volatile char *)16 = 1);
	CHECK(info.si_code == SEGV_MAPERR && info.si_addr == (void *)16);
	CATCH(SIGSEGV, page[8192 + 5]++);
	CHECK(info.si_code == SEGV_MAPERR && info.si_addr == page + 8192 + 5);
	CHECK(mprotect(page, 4096, PROT_READ) == 0);
	CATCH(SIGSEGV, page[77] = 1);
	CHECK(info.si_code == SEGV_ACCERR && info.si_addr == page + 77);
	CHECK(mprotect(page, 4096, PROT_NONE) == 0);
	CATCH(SIGSEGV, (void)*(volatile char *)(page + 78));
	CHECK(info.si_code == SEGV_ACCERR && info.si_addr == page + 78);
	// An access that begins in a page and ends in the next faults there.
	CATCH(SIGSEGV, *(volatile uint64_t *)(page + 8192 - 4) = 1);
	CHECK(info.si_code == SEGV_MAPERR && info.si_addr >= (void *)(page + 8192 - 4) && info.si_addr <= (void *)(page + 8192 + 3));
	// Jumps to nowhere.
	CATCH(SIGSEGV, ((void (*)(void))0x10)());
	CHECK(info.si_code == SEGV_MAPERR && info.si_addr == (void *)0x10);
	CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
	CATCH(SIGSEGV, ((void (*)(void))page)());
	CHECK(info.si_code == SEGV_ACCERR && info.si_addr == page);
	puts("SIGSEGV");

	int fd = memfd_create("x", 0);
	CHECK(ftruncate(fd, 8192) == 0);
	char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(ftruncate(fd, 4096) == 0);
	map[0] = 1;
	CATCH(SIGBUS, map[4096 + 9] = 1);
	CHECK(info.si_code == BUS_ADRERR && info.si_addr == map + 4096 + 9);
	// The kernel's own accesses report EFAULT instead.
	FAILS(write(fd, map + 4096, 1), EFAULT);
	FAILS(read(fd, (void *)16, 1), EFAULT);
	puts("SIGBUS");

#ifdef __aarch64__
	CATCH(SIGTRAP, __asm__ volatile("brk #7"));
	CHECK(info.si_code == TRAP_BRKPT);
	CATCH(SIGILL, __asm__ volatile(".inst 0x00000000"));
	CHECK(info.si_code == ILL_ILLOPC);
#elif defined __riscv
	CATCH(SIGTRAP, __asm__ volatile("ebreak"));
	CHECK(info.si_code == TRAP_BRKPT);
	CATCH(SIGILL, __asm__ volatile(".2byte 0"));
	CHECK(info.si_code == ILL_ILLOPC);
#elif defined __arm__
	CATCH(SIGTRAP, __asm__ volatile("bkpt #7"));
	CHECK(info.si_code == TRAP_BRKPT);
	CATCH(SIGILL, __asm__ volatile("udf #2"));
	CHECK(info.si_code == ILL_ILLOPC);
#endif

	handle(SIGSEGV, repair, 0);
	for (int i = 0; i < 50; i++) {
		CHECK(mprotect(page, 4096, PROT_NONE) == 0);
		page[i] = (char)(i + 1);
		CHECK(page[i] == (char)(i + 1) && info.si_addr == page + i);
	}
	CHECK(count == 50);
	puts("repair");

	stack_t stack = { .ss_sp = altstack, .ss_size = sizeof altstack }, old;
	CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == SS_DISABLE);
	CHECK(sigaltstack(&stack, NULL) == 0);
	CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == 0 && old.ss_sp == altstack && old.ss_size == sizeof altstack);
	stack_t small = { .ss_sp = altstack, .ss_size = 100 };
	FAILS(sigaltstack(&small, NULL), ENOMEM);
	stack_t wrong = { .ss_sp = altstack, .ss_size = sizeof altstack, .ss_flags = 99 };
	FAILS(sigaltstack(&wrong, NULL), EINVAL);
	struct rlimit limit = { 1 << 20, RLIM_INFINITY };
	setrlimit(RLIMIT_STACK, &limit);
	handle(SIGSEGV, jump, SA_ONSTACK);
	for (int i = 0; i < 3; i++) {
		CATCH(SIGSEGV, overflow(0));
		CHECK(on_altstack_ok);
	}
	handle(SIGSEGV, jump, 0);
	CATCH(SIGSEGV, fault());
	CHECK(!on_altstack_ok);
	puts("alternate stack");

	void (*deadly[])(void) = { fault_default, fault_ignored, fault_blocked, fault_in_handler, overflow_without_altstack };
	for (int i = 0; i < 5; i++) {
		int status = status_of(deadly[i]);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	}
	puts("deadly");
	return 0;
}
