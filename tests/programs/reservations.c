// Store-exclusives that must fail: between the load-exclusive and them another thread wrote another value and then the old one again, or the thread left its
// reservation otherwise. And what they are for: a stack whose nodes are used again at once, popped by several threads.
//@ guest-only: any
//@ aarch64-flags: -O1 -march=armv8.1-a
//@ riscv64-flags: -O1
//@ not-arm: exclusives of 16 bytes, and registers of 64 bits
#include "../check.h"
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

// Memory accessed exclusively, with what lies around it.
static struct { _Alignas(256) uint64_t word[2]; _Alignas(256) uint64_t other[2]; } shared;
static uint64_t *const word = shared.word;

struct access { const char *name; int bytes; void (*load)(void *); int (*store)(void *); };
struct writer { const char *name; int bytes; void (*change)(void *, int back); };

// What a load-exclusive read; the store writes it with the lowest bit of each register turned round.
static uint64_t seen[2];
#ifdef __aarch64__
#define ACCESS(n, bytes, suffix, r)                                                                                                  \
	static void load##n(void *p) { asm volatile("ldxr" suffix " %" r "0, [%1]" : "=&r"(seen[0]) : "r"(p) : "memory"); }        \
	static int store##n(void *p)                                                                                               \
	{                                                                                                                          \
		int failed;                                                                                                        \
		asm volatile("stlxr" suffix " %w0, %" r "1, [%2]" : "=&r"(failed) : "r"(seen[0] ^ 1), "r"(p) : "memory");          \
		return failed;                                                                                                     \
	}
ACCESS(b, 1, "b", "w") ACCESS(h, 2, "h", "w") ACCESS(w, 4, "", "w") ACCESS(x, 8, "", "")
#define PAIR(n, bytes, r)                                                                                                                         \
	static void load##n(void *p) { asm volatile("ldaxp %" r "0, %" r "1, [%2]" : "=&r"(seen[0]), "=&r"(seen[1]) : "r"(p) : "memory"); }       \
	static int store##n(void *p)                                                                                                              \
	{                                                                                                                                         \
		int failed;                                                                                                                       \
		asm volatile("stxp %w0, %" r "1, %" r "2, [%3]" : "=&r"(failed) : "r"(seen[0] ^ 1), "r"(seen[1] ^ 1), "r"(p) : "memory");         \
		return failed;                                                                                                                    \
	}
PAIR(pw, 8, "w") PAIR(px, 16, "")
static const struct access accesses[] = { { "byte", 1, loadb, storeb }, { "halfword", 2, loadh, storeh }, { "word", 4, loadw, storew }, { "doubleword", 8, loadx, storex }, { "pair of words", 8, loadpw, storepw }, { "pair of doublewords", 16, loadpx, storepx } };

// Writers of every size: there and back again, each by one instruction or one loop.
#define SIZES(name) \
	static void name##_b(void *p, int back) { name(uint8_t, "b", "w"); } static void name##_h(void *p, int back) { name(uint16_t, "h", "w"); } \
	static void name##_w(void *p, int back) { name(uint32_t, "", "w"); } static void name##_x(void *p, int back) { name(uint64_t, "", ""); }
#define OLD(type) type old = *(volatile type *)p, new = old ^ 6
#define SWAP(type, s, r) OLD(type); asm volatile("swpal" s " %" r "0, %" r "0, [%1]" : "+r"(new) : "r"(p) : "memory")
#define CAS(type, s, r) OLD(type); asm volatile("casal" s " %" r "0, %" r "1, [%2]" : "+r"(old) : "r"(new), "r"(p) : "memory")
#define ADD(type, s, r) type n = back ? -3 : 3; asm volatile("ldadd" s " %" r "0, %" r "1, [%2]" : "+r"(n), "=&r"(seen[1]) : "r"(p) : "memory")
#define STADD(type, s, r) type n = back ? -3 : 3; asm volatile("stadd" s " %" r "0, [%1]" : "+r"(n) : "r"(p) : "memory")
#define EOR(type, s, r) type n = 6, old; asm volatile("ldeor" s " %" r "1, %" r "0, [%2]" : "=&r"(old) : "r"(n), "r"(p) : "memory")
#define RELEASE(type, s, r) OLD(type); asm volatile("stlr" s " %" r "0, [%1]" : : "r"(new), "r"(p) : "memory")
// Loops that are one step for the emulator, and one that is not.
#define LOOP(type, s, r) uint64_t old, new, failed; \
	asm volatile("1: ldxr" s " %" r "0, [%3]\n eor %" r "1, %" r "0, #6\n stxr" s " %w2, %" r "1, [%3]\n cbnz %w2, 1b" : "=&r"(old), "=&r"(new), "=&r"(failed) : "r"(p) : "memory")
#define LOOP_ADD(type, s, r) uint64_t old, new, failed; type n = back ? -3 : 3; \
	asm volatile("1: ldxr" s " %" r "0, [%3]\n add %" r "1, %" r "0, %" r "4\n stxr" s " %w2, %" r "1, [%3]\n cbnz %w2, 1b" : "=&r"(old), "=&r"(new), "=&r"(failed) : "r"(p), "r"(n) : "memory")
#define LOOP_SWAP(type, s, r) uint64_t old, failed; type new = *(volatile type *)p ^ 6; \
	asm volatile("1: ldxr" s " %" r "0, [%2]\n stxr" s " %w1, %" r "3, [%2]\n cbnz %w1, 1b" : "=&r"(old), "=&r"(failed) : "r"(p), "r"(new) : "memory")
#define LOOP_CAS(type, s, r) uint64_t seen, failed; OLD(type); \
	asm volatile("1: ldaxr" s " %" r "0, [%2]\n cmp %" r "0, %" r "4\n b.ne 2f\n stlxr" s " %w1, %" r "3, [%2]\n cbnz %w1, 1b\n2:" : "=&r"(seen), "=&r"(failed) : "r"(p), "r"(new), "r"(old) : "memory", "cc")
#define LOOP_LONG(type, s, r) uint64_t old, new, failed; \
	asm volatile("1: ldxr" s " %" r "0, [%3]\n mov %" r "1, %" r "0\n nop\n eor %" r "1, %" r "1, #6\n stxr" s " %w2, %" r "1, [%3]\n cbnz %w2, 1b" : "=&r"(old), "=&r"(new), "=&r"(failed) : "r"(p) : "memory")
SIZES(SWAP) SIZES(CAS) SIZES(ADD) SIZES(STADD) SIZES(EOR) SIZES(RELEASE) SIZES(LOOP) SIZES(LOOP_ADD) SIZES(LOOP_SWAP) SIZES(LOOP_CAS) SIZES(LOOP_LONG)
static void casp_w(void *p, int back)
{
	register uint64_t a asm("x0") = ((uint32_t *)p)[0], b asm("x1") = ((uint32_t *)p)[1], c asm("x2") = a ^ 6, d asm("x3") = b ^ 6;
	(void)back;
	asm volatile("caspal w0, w1, w2, w3, [%4]" : "+r"(a), "+r"(b) : "r"(c), "r"(d), "r"(p) : "memory");
}
static void casp_x(void *p, int back)
{
	register uint64_t a asm("x0") = ((uint64_t *)p)[0], b asm("x1") = ((uint64_t *)p)[1], c asm("x2") = a ^ 6, d asm("x3") = b ^ 6;
	(void)back;
	asm volatile("caspal x0, x1, x2, x3, [%4]" : "+r"(a), "+r"(b) : "r"(c), "r"(d), "r"(p) : "memory");
}
static void stxp_x(void *p, int back)
{
	uint64_t a, b, failed;
	(void)back;
	asm volatile("1: ldxp %0, %1, [%3]\n eor %0, %0, #6\n eor %1, %1, #6\n stxp %w2, %0, %1, [%3]\n cbnz %w2, 1b" : "=&r"(a), "=&r"(b), "=&r"(failed) : "r"(p) : "memory");
}
#define EACH(name) { #name " b", 1, name##_b }, { #name " h", 2, name##_h }, { #name " w", 4, name##_w }, { #name " x", 8, name##_x }
static const struct writer writers[] = { EACH(SWAP), EACH(CAS), EACH(ADD), EACH(STADD), EACH(EOR), EACH(RELEASE), EACH(LOOP), EACH(LOOP_ADD), EACH(LOOP_SWAP), EACH(LOOP_CAS), EACH(LOOP_LONG), { "casp w", 8, casp_w }, { "casp x", 16, casp_x }, { "stxp", 16, stxp_x } };
#define CLEAR() asm volatile("clrex" : : : "memory")
#define TEMP "x9"
#define LL "ldaxr %0, [%2]\n"
#define SC(value) "stlxr %w1, " value ", [%2]\n cbnz %w1, 1b\n"
#define IF_ZERO(r, label) "cbz " r ", " label "\n"
#define NEXT(r, from) "ldr " r ", [" from "]\n"
#define SET_NEXT(r, in) "str " r ", [" in "]\n"
#else
#define ACCESS(n, bytes)                                                                                                             \
	static void load##n(void *p) { __asm__ volatile("lr." #n " %0, (%1)" : "=&r"(seen[0]) : "r"(p) : "memory"); }              \
	static int store##n(void *p)                                                                                               \
	{                                                                                                                          \
		uint64_t failed;                                                                                                   \
		__asm__ volatile("sc." #n " %0, %1, (%2)" : "=&r"(failed) : "r"(seen[0] ^ 1), "r"(p) : "memory");                  \
		return failed;                                                                                                     \
	}
ACCESS(w, 4) ACCESS(d, 8)
static const struct access accesses[] = { { "word", 4, loadw, storew }, { "doubleword", 8, loadd, stored } };
#define OLD(type) type old = *(volatile type *)p, new = old ^ 6
// Zabha and Zacas, which the assembler need not know: by funct5 and funct3.
#define AMO(d, funct5, funct3, s) __asm__ volatile(".insn r 0x2f, " #funct3 ", " #funct5 " * 4 + 3, %0, %1, %2" : "+r"(d) : "r"(p), "r"(s) : "memory")
#define SIZES(name) \
	static void name##_b(void *p, int back) { name(int8_t, 0); } static void name##_h(void *p, int back) { name(int16_t, 1); } \
	static void name##_w(void *p, int back) { name(int32_t, 2); } static void name##_d(void *p, int back) { name(int64_t, 3); }
#define SWAP(type, size) OLD(type); (void)back; AMO(old, 1, size, new)
#define ADD(type, size) int64_t old = 0; AMO(old, 0, size, back ? -3l : 3l)
#define ADD_AWAY(type, size) (void)back; __asm__ volatile(".insn r 0x2f, " #size ", 3, x0, %0, %1" : : "r"(p), "r"(back ? -3l : 3l) : "memory")
#define XOR(type, size) int64_t old = 0; (void)back; AMO(old, 4, size, 6l)
#define MIN(type, size) int64_t old = 0; if (back) AMO(old, 20, size, 5l); else AMO(old, 16, size, -9l)
#define CAS(type, size) OLD(type); (void)back; int64_t o = old; AMO(o, 5, size, new)
SIZES(SWAP) SIZES(ADD) SIZES(ADD_AWAY) SIZES(XOR) SIZES(MIN) SIZES(CAS)
#define LOOP(n, type) \
	static void loop_##n(void *p, int back) { uint64_t read, failed; OLD(type); (void)back; \
		__asm__ volatile("1: lr." #n ".aq %0, (%2)\n bne %0, %4, 2f\n sc." #n ".rl %1, %3, (%2)\n bnez %1, 1b\n2:" : "=&r"(read), "=&r"(failed) : "r"(p), "r"((int64_t)new), "r"((int64_t)old) : "memory"); } \
	static void long_##n(void *p, int back) { uint64_t old, new, failed; (void)back; \
		__asm__ volatile("1: lr." #n " %0, (%3)\n xori %1, %0, 6\n sc." #n " %2, %1, (%3)\n bnez %2, 1b" : "=&r"(old), "=&r"(new), "=&r"(failed) : "r"(p) : "memory"); }
LOOP(w, int32_t) LOOP(d, int64_t)
static void cas_q(void *p, int back)
{
	register uint64_t a __asm__("a2") = ((uint64_t *)p)[0], b __asm__("a3") = ((uint64_t *)p)[1], c __asm__("a4") = a ^ 6, d __asm__("a5") = b ^ 6;
	(void)back;
	__asm__ volatile(".insn r 0x2f, 4, 0x17, a2, %4, a4" : "+r"(a), "+r"(b) : "r"(c), "r"(d), "r"(p) : "memory");
}
#define EACH(name) { #name " b", 1, name##_b }, { #name " h", 2, name##_h }, { #name " w", 4, name##_w }, { #name " d", 8, name##_d }
static const struct writer writers[] = { EACH(SWAP), EACH(ADD), EACH(ADD_AWAY), EACH(XOR), EACH(MIN), EACH(CAS), { "loop w", 4, loop_w }, { "loop d", 8, loop_d }, { "long w", 4, long_w }, { "long d", 8, long_d }, { "cas q", 16, cas_q } };
// There is no instruction for it but a store-conditional.
#define CLEAR() stored(shared.other)
#define TEMP "t3"
#define LL "lr.d.aq %0, (%2)\n"
#define SC(value) "sc.d.rl %1, " value ", (%2)\n bnez %1, 1b\n"
#define IF_ZERO(r, label) "beqz " r ", " label "\n"
#define NEXT(r, from) "ld " r ", (" from ")\n"
#define SET_NEXT(r, in) "sd " r ", (" in ")\n"
#endif

enum { ACCESSES = sizeof accesses / sizeof *accesses, WRITERS = sizeof writers / sizeof *writers };

// The other thread does what is asked of it, while the first waits without a system call.
static const struct writer *volatile order;
static void *volatile place;
static int asked, answered;
static void *other(void *arg)
{
	for (int n = 1;; n++) {
		while (__atomic_load_n(&asked, __ATOMIC_ACQUIRE) != n)
			;
		if (order == NULL)
			return arg;
		order->change(place, 0);
		order->change(place, 1);
		__atomic_store_n(&answered, n, __ATOMIC_RELEASE);
	}
}

static void ask(const struct writer *w, void *p)
{
	order = w, place = p;
	int n = asked + 1;
	// Plain stores and loads: the thread's own atomics are another matter.
	__asm__ volatile("" : : : "memory");
	*(volatile int *)&asked = n;
	while (w != NULL && *(volatile int *)&answered != n)
		;
}

static int signals;
static void on_signal(int signo) { signals += signo == SIGUSR1; }

static void returns(void)
{
	pthread_t t;
	CHECK(pthread_create(&t, NULL, other, NULL) == 0);
	for (int i = 0; i < ACCESSES; i++) {
		const struct access *a = &accesses[i];
		for (int j = 0; j < WRITERS; j++) {
			const struct writer *w = &writers[j];
			for (int at = 0; at < a->bytes || at == 0; at += w->bytes) {
				char *p = (char *)word + at;
				word[0] = word[1] = 5;
				// MIN comes back to 5 from 5 alone.
				if (strncmp(w->name, "MIN", 3) == 0 && at != 0)
					continue;
				a->load(word);
				ask(w, p);
				if (word[0] != 5 || word[1] != 5)
					printf("%s, %s at %d: %lx %lx\n", a->name, w->name, at, (long)word[0], (long)word[1]);
				if (!a->store(word))
					printf("%s, %s at %d: the store succeeded\n", a->name, w->name, at);
				// Elsewhere it does not matter, and without a load before a store fails.
				int tries = 0;
				do {
					CHECK(a->store(word) && tries++ < 1000);
					word[0] = word[1] = 5;
					a->load(word);
					ask(w, shared.other);
				} while (a->store(word));
				CHECK(a->store(word));
			}
		}
	}
	ask(NULL, NULL);
	CHECK(pthread_join(t, NULL) == 0);
}

static void alone(void)
{
	struct sigaction s = { .sa_handler = on_signal };
	CHECK(sigaction(SIGUSR1, &s, NULL) == 0);
	for (int i = 0; i < ACCESSES; i++) {
		const struct access *a = &accesses[i];
		a->load(word);
		CLEAR();
		CHECK(a->store(word));
		// A return from the kernel clears the monitor.
		a->load(word), getppid();
		CHECK(a->store(word));
		a->load(word), raise(SIGUSR1);
		CHECK(a->store(word) && signals == i + 1);
		a->load(word), a->load(shared.other);
		CHECK(a->store(word));
		a->load(shared.other);
		CHECK(a->store(word) && a->store(shared.other));
		// Not at all long, and then a store of the same thread to something else.
		int tries = 0;
		do {
			a->load(word);
			*(volatile uint64_t *)shared.other = 1;
			CHECK(tries++ < 1000);
		} while (a->store(word));
	}
}

// A stack as there are many: a push and a pop of two threads between a third's load of the first node and its store leave the same first node, but not the same second.
static struct node { _Alignas(64) struct node *next; int owned; } nodes[8], *top;
static void push(struct node *n)
{
	uint64_t old, failed;
	__asm__ volatile("1: " LL SET_NEXT("%0", "%3") SC("%3") : "=&r"(old), "=&r"(failed) : "r"(&top), "r"(n) : "memory");
}
static struct node *pop(int slow)
{
	struct node *n;
	uint64_t failed;
	__asm__ volatile("1: " LL IF_ZERO("%0", "2f") NEXT(TEMP, "%0")
#ifdef __aarch64__
			 "mov %1, %3\n3: subs %1, %1, #1\n b.pl 3b\n" SC(TEMP) "2:"
#else
			 "mv %1, %3\n3: addi %1, %1, -1\n bgez %1, 3b\n" SC(TEMP) "2:"
#endif
			 : "=&r"(n), "=&r"(failed) : "r"(&top), "r"((uint64_t)slow) : "memory", "cc", TEMP);
	return n;
}

static int stop;
static void *juggle(void *arg)
{
	for (unsigned round = (uintptr_t)arg; !__atomic_load_n(&stop, __ATOMIC_RELAXED); round++) {
		struct node *held[3] = { NULL };
		int count = 1 + round % 3;
		for (int i = 0; i < count; i++)
			if ((held[i] = pop(round % 7 == 0 ? 40 : 0)))
				CHECK(__atomic_exchange_n(&held[i]->owned, 1, __ATOMIC_ACQ_REL) == 0);
		for (int i = 0; i < count; i++) {
			struct node *n = held[(i + round) % count];
			if (n) {
				__atomic_store_n(&n->owned, 0, __ATOMIC_RELEASE);
				push(n);
			}
		}
	}
	return NULL;
}

static void stack(void)
{
	enum { THREADS = 4, NODES = sizeof nodes / sizeof *nodes };
	pthread_t t[THREADS];
	for (int i = 0; i < NODES; i++)
		push(&nodes[i]);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, juggle, (void *)i) == 0);
	nanosleep(&(struct timespec){ 2, 0 }, NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	int count = 0;
	for (struct node *n; (n = pop(0)); count++)
		CHECK(count < NODES);
	CHECK(count == NODES);
}

int main(void)
{
	alone();
	returns();
	stack();
	puts("done");
	return 0;
}
