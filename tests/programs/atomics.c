// Atomic operations of every width from several threads, with exclusives and with LSE instructions.
//@ aarch64-flags: -moutline-atomics
//@ flags: -latomic
//@ glibc: libatomic chooses its functions by IFUNC, which musl does not have
//@ not-arm: its addresses and counters have 64 bits, and there are atomics of 16 bytes
#include "../check.h"
#include <pthread.h>
#include <stdatomic.h>

#define THREADS 4
#define ROUNDS 20000

static _Atomic uint8_t a8;
static _Atomic uint16_t a16;
static _Atomic uint32_t a32;
static _Atomic uint64_t a64, lifo, ticket, serving, plain;
static struct node { struct node *next; int value; } nodes[THREADS * 1000];
static uint64_t protected;
static _Atomic int turn;
static uint64_t handed[2];

#ifdef __aarch64__
#define LSE __attribute__((target("arch=armv8.1-a")))
#else
#define LSE
#endif

static LSE __attribute__((noinline)) void lse(void)
{
	atomic_fetch_add(&a64, 1);
	atomic_fetch_xor_explicit(&a32, 0x80000000, memory_order_relaxed);
	atomic_fetch_or_explicit(&a16, 0x8000, memory_order_acq_rel);
	atomic_fetch_and_explicit(&a8, 0xff, memory_order_acquire);
	uint64_t old = atomic_load(&a64);
	while (!atomic_compare_exchange_strong(&a64, &old, old + 1))
		;
	atomic_exchange(&plain, old);
}

static void *worker(void *arg)
{
	long id = (long)arg;
	for (int i = 0; i < ROUNDS; i++) {
		atomic_fetch_add(&a8, 1);
		atomic_fetch_add(&a16, 3);
		atomic_fetch_sub(&a32, 5);
		atomic_fetch_add_explicit(&a64, 7, memory_order_relaxed);
		uint64_t old = atomic_load(&a64);
		while (!atomic_compare_exchange_weak(&a64, &old, old + 11))
			;
		lse();
		uint64_t mine = atomic_fetch_add(&ticket, 1);
		if (i % 16 == 0) {
			while (atomic_load_explicit(&serving, memory_order_acquire) != mine)
				sched_yield();
			protected++;
			atomic_store_explicit(&serving, mine + 1, memory_order_release);
		} else {
			while (atomic_load(&serving) != mine)
				sched_yield();
			protected += 2;
			atomic_store(&serving, mine + 1);
		}
		if (i < 1000) {
			struct node *n = &nodes[id * 1000 + i];
			n->value = i;
			uint64_t head = atomic_load(&lifo);
			do
				n->next = (struct node *)head;
			while (!atomic_compare_exchange_weak(&lifo, &head, (uint64_t)n));
		}
	}
	return 0;
}

// Store-release and load-acquire pass a message; a Dekker style exclusion needs them sequentially consistent.
static _Atomic int wants[2];
static void *dekker(void *arg)
{
	int me = (long)arg;
	for (int i = 0; i < 30000; i++) {
		atomic_store(&wants[me], 1);
		while (atomic_load(&wants[!me]))
			if (atomic_load(&turn) != me) {
				atomic_store(&wants[me], 0);
				while (atomic_load(&turn) != me)
					sched_yield();
				atomic_store(&wants[me], 1);
			}
		handed[0]++;
		handed[1] += handed[0] & 1;
		atomic_store(&turn, !me);
		atomic_store(&wants[me], 0);
	}
	return 0;
}

int main(void)
{
	pthread_t t[THREADS];
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], 0, worker, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], 0);
	printf("%d %d %u %lu\n", a8, a16 & 0x7fff, a32, (long)a64);
	printf("%lu %lu\n", (long)protected, (long)ticket);
	long count = 0, sum = 0;
	for (struct node *n = (struct node *)lifo; n; n = n->next)
		count++, sum += n->value;
	printf("%ld %ld\n", count, sum);
	for (long i = 0; i < 2; i++)
		CHECK(pthread_create(&t[i], 0, dekker, (void *)i) == 0);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], 0);
	printf("%lu\n", (long)handed[0]);
	__int128 wide = 5;
	__int128 expected = 5;
	CHECK(__atomic_compare_exchange_n(&wide, &expected, (__int128)7 << 70, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	printf("%lx\n", (long)(__atomic_load_n(&wide, __ATOMIC_SEQ_CST) >> 64));
	return 0;
}
