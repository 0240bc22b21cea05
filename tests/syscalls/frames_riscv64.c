// The signal frame of riscv64: its layout with and without vectors, and what rt_sigreturn makes of one that a handler has spoilt.
//@ guest-only: riscv64
//@ variants: static musl interp
#include "../child.h"
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define V(text) ".option push\n.option arch, +v\n" text "\n.option pop\n"
#define MAGIC 0x53465457

struct header { uint32_t magic, size; };
struct record { struct header h; uint64_t vstart, vl, vtype, vcsr, vlenb; uint8_t *data; };

static uint32_t *reserved(ucontext_t *uc) { return (uint32_t *)((char *)&uc->uc_mcontext + 256 + 516); }
static struct record *records(ucontext_t *uc) { return (struct record *)(reserved(uc) + 1); }

static void (*volatile spoil)(ucontext_t *);
static volatile int taken;
static volatile uint64_t interrupted_pc, distance;

static void usr1(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	struct record *r = records(uc);
	(void)signo;
	taken++;
	CHECK((char *)uc == (char *)info + 128 && (uintptr_t)info % 16 == 0 && *(uint64_t *)uc == 0 && uc->uc_link == 0 && *reserved(uc) == 0);
	interrupted_pc = uc->uc_mcontext.__gregs[0];
	distance = uc->uc_mcontext.__gregs[2] - (uintptr_t)info;
	if (r->h.magic) {
		struct header *end = (struct header *)((char *)r + 568);
		CHECK(r->h.magic == MAGIC && r->h.size == 568 && r->vlenb == 16 && (char *)r->data == (char *)r + 56 && (uintptr_t)r->data % 16 == 0);
		CHECK(end->magic == 0 && end->size == 0);
	} else {
		CHECK(r->h.size == 0);
	}
	if (spoil)
		spoil(uc);
}

// SIGUSR1 for this thread with the stack pointer that far below a multiple of 16.
static void send(int below)
{
	long pid = getpid(), tid = gettid();
	register long a0 __asm__("a0") = pid, a1 __asm__("a1") = tid, a2 __asm__("a2") = SIGUSR1, a7 __asm__("a7") = SYS_tgkill;
	__asm__ volatile("mv s2, sp\n andi sp, sp, -16\n sub sp, sp, %1\n ecall\n mv sp, s2\n"
			 : "+r"(a0) : "r"(below), "r"(a1), "r"(a2), "r"(a7) : "s2", "memory");
	CHECK(a0 == 0);
}

static sigjmp_buf back;
static volatile int segv_code, blocked_usr2;
static void *volatile segv_at;
static volatile uint64_t segv_pc;
static void segv(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	(void)signo;
	segv_code = info->si_code, segv_at = info->si_addr, segv_pc = uc->uc_mcontext.__gregs[0];
	blocked_usr2 = sigismember(&uc->uc_sigmask, SIGUSR2);
	siglongjmp(back, 1);
}

// Whether a frame is refused, as the kernel does it: registers and signal mask are already those of the frame.
static int refused(void (*how)(ucontext_t *))
{
	spoil = how;
	segv_code = 0;
	if (!sigsetjmp(back, 1)) {
		send(0);
		spoil = 0;
		return 0;
	}
	spoil = 0;
	CHECK(segv_code == SI_KERNEL && segv_at == 0 && segv_pc == interrupted_pc && blocked_usr2);
	return 1;
}

static volatile uint64_t argument;
static uint8_t *pages;
static void block(ucontext_t *uc) { sigaddset(&uc->uc_sigmask, SIGUSR2); }
static void a_reserved_word(ucontext_t *uc) { block(uc), *reserved(uc) = 1; }
static void a_magic(ucontext_t *uc) { block(uc), records(uc)->h.magic = argument; }
static void a_size(ucontext_t *uc) { block(uc), records(uc)->h.size = argument; }
static void an_end_of_some_size(ucontext_t *uc) { block(uc), records(uc)->h = (struct header){ 0, 8 }; }
static void a_record_behind(ucontext_t *uc)
{
	block(uc);
	*(struct header *)((char *)records(uc) + 568) = (struct header){ argument, 16 };
}
static void a_pointer(ucontext_t *uc) { block(uc), records(uc)->data = (uint8_t *)argument; }
static void a_vector_record(ucontext_t *uc)
{
	block(uc);
	memset(records(uc), 0, 576);
	*records(uc) = (struct record){ { MAGIC, 568 }, .vlenb = 16, .data = pages };
}
// Where the frame without vectors has its end; nothing behind that is the frame's.
static void a_vector_header(ucontext_t *uc) { block(uc), records(uc)->h = (struct header){ MAGIC, 568 }; }
static void wild_registers(ucontext_t *uc)
{
	struct record *r = records(uc);
	r->vstart = argument, r->vl = argument, r->vtype = argument, r->vcsr = argument, r->vlenb = argument;
}
static void valid_vtype(ucontext_t *uc)
{
	struct record *r = records(uc);
	r->vstart = argument, r->vl = ~0ul, r->vtype = 0xd0;
}
static void everything(ucontext_t *uc)
{
	// But gp and tp, which the next handler needs.
	uint64_t *x = (uint64_t *)&uc->uc_mcontext, gp = x[3], tp = x[4];
	memset(uc, argument, (char *)records(uc) + 568 - (char *)uc);
	x[3] = gp, x[4] = tp;
}
static void registers_elsewhere(ucontext_t *uc)
{
	memset(pages, 0x3c, 512);
	records(uc)->data = pages;
}
static void kill_by_it(ucontext_t *uc) { sigaddset(&uc->uc_sigmask, SIGSEGV), *reserved(uc) = 1; }

static void use_vectors(void) { __asm__ volatile(V("vsetivli x0, 4, e32, m1, ta, ma\nvmv.v.i v7, 5") ::: "memory"); }

// Vectors still work whatever they were restored to.
static void check_vectors(void)
{
	uint64_t vl, vtype, vcsr, vstart, sum;
	__asm__ volatile(V("csrr %0, vl\ncsrr %1, vtype\ncsrr %2, vcsr\ncsrr %3, vstart") : "=r"(vl), "=r"(vtype), "=r"(vcsr), "=r"(vstart));
	CHECK(vl <= 128 && vcsr <= 7 && vstart <= 127 && (vtype >> 8 == 0 || (vtype == 1ul << 63 && vl == 0)));
	__asm__ volatile(V("vsetivli x0, 4, e32, m1, ta, ma\nvmv.v.i v8, 5\nvmv.s.x v9, x0\nvredsum.vs v9, v8, v9\nvmv.x.s %0, v9") : "=r"(sum));
	CHECK(sum == 20);
}

static int ends_by(void (*f)(void))
{
	int status = status_of(f);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void blocked(void) { spoil = kill_by_it, send(0); }
static void spoilt(void) { argument = 255, spoil = everything, send(0); }

static volatile int deep;
static void on_alternate(int signo)
{
	(void)signo;
	// Not enough is left on the alternate stack for another frame, though there is memory below it.
	char *here = __builtin_frame_address(0);
	volatile char *room = alloca(here - (char *)(pages + 65536) - 900 * deep);
	*room = 1;
	send(0);
}
static void overflow(void)
{
	stack_t ss = { .ss_sp = pages + 65536, .ss_size = 16384 };
	CHECK(sigaltstack(&ss, 0) == 0);
	struct sigaction act = { .sa_handler = on_alternate, .sa_flags = SA_ONSTACK };
	CHECK(sigaction(SIGUSR2, &act, 0) == 0);
	raise(SIGUSR2);
}

static void nowhere(void)
{
	__asm__ volatile("mv sp, %0\n li a7, 139\n ecall\n" :: "r"(argument));
}

static void *never_used(void *arg)
{
	(void)arg;
	taken = 0;
	send(0);
	CHECK(taken == 1 && distance == 1088);
	send(8);
	CHECK(taken == 2 && distance == 1096);
	// There is nothing to restore vectors to.
	CHECK(refused(a_vector_header));
	use_vectors();
	send(0);
	CHECK(distance == 1664);
	send(8);
	CHECK(distance == 1672);
	CHECK(!refused(a_vector_record));
	return 0;
}

int main(void)
{
	pages = mmap(0, 1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(pages + 4096, 4096, PROT_NONE);
	static char alternate[65536];
	stack_t small = { .ss_sp = alternate, .ss_size = 2047 }, ss = { .ss_sp = alternate, .ss_size = sizeof alternate };
	FAILS(sigaltstack(&small, 0), ENOMEM);
	CHECK(sigaltstack(&ss, 0) == 0);
	struct sigaction act = { .sa_sigaction = usr1, .sa_flags = SA_SIGINFO };
	CHECK(sigaction(SIGUSR1, &act, 0) == 0);
	act.sa_sigaction = segv, act.sa_flags |= SA_ONSTACK;
	CHECK(sigaction(SIGSEGV, &act, 0) == 0);

	pthread_t t;
	CHECK(pthread_create(&t, 0, never_used, 0) == 0 && pthread_join(t, 0) == 0);
	use_vectors();
	CHECK(!refused(block));
	sigset_t set;
	CHECK(sigprocmask(SIG_BLOCK, 0, &set) == 0 && sigismember(&set, SIGUSR2));
	sigemptyset(&set);
	CHECK(sigprocmask(SIG_SETMASK, &set, 0) == 0);

	CHECK(refused(a_reserved_word));
	CHECK(refused(an_end_of_some_size));
	static const uint32_t magics[] = { 1, MAGIC ^ 1, 0x46508001, ~0u };
	for (int n = 0; n < 4; n++) {
		argument = magics[n];
		CHECK(refused(a_magic) && refused(a_record_behind));
	}
	static const uint32_t sizes[] = { 0, 8, 560, 576, 1 << 20, 1u << 31, ~0u };
	for (int n = 0; n < 7; n++) {
		argument = sizes[n];
		CHECK(refused(a_size));
	}
	const uint64_t pointers[] = { 0, 8, (uint64_t)pages + 4096, (uint64_t)pages + 4096 - 511, (uint64_t)pages + 8192 - 1, 1ul << 47, (1ul << 47) - 256, 1ul << 63, -1ul, -256ul };
	for (int n = 0; n < 10; n++) {
		argument = pointers[n];
		CHECK(refused(a_pointer));
		check_vectors();
		use_vectors();
	}
	static const uint64_t wild[] = { -1ul, 1ul << 63, 0x7f, 0x80, 0xff, 0x100, 0x3f, 0x18, 1ul << 32 };
	for (int n = 0; n < 9; n++) {
		argument = wild[n];
		CHECK(!refused(wild_registers));
		check_vectors();
		CHECK(!refused(valid_vtype));
		check_vectors();
	}
	// Values whose mask leaves SIGSEGV alone; then one that blocks it.
	static const uint8_t fill[] = { 1, 0x41, 0x80 };
	for (int n = 0; n < 3; n++) {
		argument = fill[n];
		spoil = everything;
		if (!sigsetjmp(back, 1))
			send(0);
		CHECK(segv_code == SI_KERNEL);
		spoil = 0;
	}
	uint64_t v7;
	// The registers may lie anywhere.
	use_vectors();
	CHECK(!refused(registers_elsewhere));
	__asm__ volatile(V("vsetivli x0, 1, e64, m1, ta, ma\nvmv.x.s %0, v7") : "=r"(v7));
	CHECK(v7 == 0x3c3c3c3c3c3c3c3c);

	const uint64_t stacks[] = { 0, 8, 1ul << 63, -16ul, (uint64_t)pages + 4096 - 16, (uint64_t)pages + 4096 };
	for (int n = 0; n < 6; n++) {
		argument = stacks[n];
		if (!sigsetjmp(back, 1))
			nowhere();
		CHECK(segv_code == SI_KERNEL && segv_at == 0);
	}
	CHECK(ends_by(blocked) == SIGSEGV && ends_by(spoilt) == SIGSEGV);
	// Two frames and more are possible; then one more is not.
	deep = 1;
	CHECK(ends_by(overflow) == SIGSEGV);
	deep = 4;
	CHECK(ends_by(overflow) == 0);
	puts("frames");
	return 0;
}
