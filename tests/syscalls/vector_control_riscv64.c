// prctl PR_RISCV_V_SET_CONTROL: what a thread may do now, what its next programs may, and what children and threads inherit.
//@ guest-only: riscv64
//@ variants: static musl interp
#include "../check.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define SET 69
#define GET 70
enum { OFF = 1, ON = 2, NEXT_OFF = OFF << 2, NEXT_ON = ON << 2, INHERIT = 16 };

extern char **environ;
static const char *self;
static volatile int illegal, with_record;

static void handler(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	CHECK(signo == SIGILL && info->si_code == ILL_ILLOPC && (uintptr_t)info->si_addr == uc->uc_mcontext.__gregs[0]);
	with_record = *(uint32_t *)((char *)&uc->uc_mcontext + 256 + 520) == 0x53465457;
	uc->uc_mcontext.__gregs[0] += 4;
	illegal++;
}

// Each of these is one instruction that only a processor with vectors has, at the same address every time.
#define V(text) __asm__ volatile(".option push\n.option arch, +v\n" text "\n.option pop\n" : "+r"(x) : "r"(buffer) : "memory")
static int tried(int n)
{
	static char buffer[64];
	uint64_t x = 1;
	illegal = 0;
	switch (n) {
	case 0: V("vsetivli %0, 4, e32, m1, ta, ma"); break;
	case 1: V("vmv.v.i v1, 3"); break;
	case 2: V("vle8.v v1, (%1)"); break;
	case 3: V("vs1r.v v1, (%1)"); break;
	case 4: V("csrr %0, vlenb"); break;
	case 5: V("csrwi vxrm, 1"); break;
	case 6: V("csrr %0, vtype"); break;
	case 7: __asm__ volatile(".4byte 0xbec42277" ::: "memory"); break; // vsha2cl.vv v4, v12, v8
	}
	return illegal;
}

// Whether vectors can be used: all instructions or none.
static int usable(void)
{
	int bad = 0;
	for (int n = 0; n < 8; n++)
		bad += tried(n);
	CHECK(bad == 0 || bad == 8);
	CHECK(!bad || !with_record);
	// Others are never concerned.
	double d = 2;
	uint64_t flags;
	illegal = 0;
	__asm__ volatile("fld ft0, %1\n fadd.d ft0, ft0, ft0\n fsd ft0, %1\n frflags %0" : "=r"(flags), "+m"(d) :: "ft0");
	CHECK(d == 4 && !illegal);
	return !bad;
}

static int control(void)
{
	int now = prctl(GET);
	CHECK(usable() == ((now & 3) == ON));
	return now;
}

static void *thread(void *arg)
{
	CHECK(control() == (int)(intptr_t)arg);
	if (((intptr_t)arg & 3) == OFF) {
		CHECK(prctl(SET, ON) == 0);
		CHECK(control() == ON);
	}
	return 0;
}

// The next program: checks what it finds, and starts the next of its kind.
static int program(char **wanted)
{
	int want = strtol(*wanted, 0, 16);
	CHECK(control() == want);
	CHECK((getauxval(AT_HWCAP) >> 21 & 1) == ((want & 3) == ON));
	for (char **e = environ; *e; e++)
		CHECK(strncmp(*e, "ANYARCH_HANDED", 14));
	pthread_t t;
	CHECK(pthread_create(&t, 0, thread, (void *)(intptr_t)want) == 0 && pthread_join(t, 0) == 0);
	// What the thread has turned on is its own.
	CHECK(control() == want);
	pid_t child = fork();
	if (child == 0)
		_exit(control() != want);
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	if (wanted[1]) {
		char *args[8] = { (char *)self, "program" };
		for (int n = 1; (args[n + 1] = wanted[n]); n++)
			;
		execv(self, args);
		return 2;
	}
	if ((want & 3) == OFF) {
		CHECK(prctl(SET, OFF) == 0 && prctl(SET, 0) == 0 && control() == OFF);
		// What was forbidden a moment ago is allowed now, and stays so.
		CHECK(prctl(SET, ON | NEXT_OFF) == 0 && control() == (ON | NEXT_OFF));
		FAILS(prctl(SET, OFF), EPERM);
		CHECK(!(getauxval(AT_HWCAP) >> 21 & 1));
	}
	return 0;
}

static void starts(int set, int by_vfork, const char *first, const char *second)
{
	char *const args[] = { (char *)self, "program", (char *)first, (char *)second, 0 };
	pid_t child = by_vfork ? vfork() : fork();
	if (child == 0) {
		if (prctl(SET, set))
			_exit(9);
		execv(self, args);
		_exit(8);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child);
	if (status)
		printf("set %#x, then %s and %s: status %#x\n", set, first, second, status);
	CHECK(status == 0);
}

int main(int argc, char **argv)
{
	self = getenv("TEST_SELF");
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	sigaction(SIGILL, &act, 0);
	if (argc > 1)
		return program(argv + 2);
	CHECK(control() == ON && getauxval(AT_HWCAP) >> 21 & 1);
	FAILS(prctl(SET, OFF), EPERM);
	FAILS(prctl(SET, OFF | 3 << 2), EPERM);
	FAILS(prctl(SET, 3), EINVAL);
	FAILS(prctl(SET, 3 << 2), EINVAL);
	FAILS(prctl(SET, 32), EINVAL);
	FAILS(prctl(SET, 1ul << 40), EINVAL);
	FAILS(prctl(SET, -1ul), EINVAL);
	CHECK(control() == ON);
	CHECK(prctl(SET, NEXT_ON | INHERIT) == 0 && control() == (ON | NEXT_ON | INHERIT));
	CHECK(prctl(SET, 0) == 0 && control() == ON);
	CHECK(prctl(SET, ON | NEXT_OFF, -1, -1, -1) == 0 && control() == (ON | NEXT_OFF));
	// That is of the next program; this one's threads have it like everything else.
	pthread_t t;
	CHECK(pthread_create(&t, 0, thread, (void *)(intptr_t)(ON | NEXT_OFF)) == 0 && pthread_join(t, 0) == 0);
	CHECK(prctl(SET, ON) == 0);
	starts(0, 0, "2", "2");
	starts(NEXT_OFF, 0, "1", "2");
	starts(ON | NEXT_OFF, 1, "1", "2");
	starts(NEXT_OFF | INHERIT, 0, "15", "15");
	starts(NEXT_ON | INHERIT, 1, "1a", "1a");
	starts(INHERIT, 0, "12", "12");
	// The variable that carries this between emulators has no effect where nobody has set it, and no name that a program could see.
	CHECK(control() == ON);
	// FENCE.I counts everywhere already.
	CHECK(prctl(71, 0, 0) == 0 && prctl(71, 1, 1) == 0);
	FAILS(prctl(71, 2, 0), EINVAL);
	FAILS(prctl(71, 0, 2), EINVAL);
	puts("vector control");
	return 0;
}
