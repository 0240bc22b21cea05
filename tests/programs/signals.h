// What the tests of faults share (signals.c and its likes for other guests): what the handler noted, memory of every kind, and handlers on an
// alternate stack. Each brings its `handler`, which calls `note`.
#pragma once
#include "../check.h"
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int got, code;
static void *volatile at;
// Without any rights, readable, writable, and behind the end of a file.
static char *none, *rom, *ram, *beyond;

static void handler(int signo, siginfo_t *info, void *context);

static void note(int signo, const siginfo_t *info)
{
	got = signo, code = info->si_code, at = info->si_addr;
}

static char *page(int protection, int flags, int fd)
{
	char *p = mmap(0, 4096, protection, flags, fd, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

static void set_up(void)
{
	static char alternate[65536];
	stack_t ss = { .ss_sp = alternate, .ss_size = sizeof alternate };
	CHECK(sigaltstack(&ss, 0) == 0);
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static const int all[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE };
	for (int i = 0; i < 5; i++)
		CHECK(sigaction(all[i], &act, 0) == 0);
	none = page(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	rom = page(PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	ram = page(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	beyond = page(PROT_READ | PROT_WRITE, MAP_SHARED, memfd_create("empty", 0));
}
