// Accesses at every alignment, across cache lines and pages, by integer, floating-point and vector registers.
//@ not-arm: there are no integers of 128 bits
#include "../check.h"
#include <sys/mman.h>

typedef uint8_t v16 __attribute__((vector_size(16), aligned(1)));
typedef uint16_t u16 __attribute__((aligned(1)));
typedef uint32_t u32 __attribute__((aligned(1)));
typedef uint64_t u64 __attribute__((aligned(1)));
typedef double f64 __attribute__((aligned(1)));
typedef float f32 __attribute__((aligned(1)));

static uint64_t sum;
static void mix(uint64_t v) { sum = (sum ^ v) * 0x9e3779b97f4a7c15ull + (sum >> 31); }

int main(void)
{
	uint8_t *p = mmap(0, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED && mprotect(p + 8192, 4096, PROT_NONE) == 0);
	for (int i = 0; i < 8192; i++)
		p[i] = i * 37 + (i >> 8);
	for (int o = 4096 - 80; o < 4096 + 80; o++) {
		mix(*(volatile u16 *)(p + o)), mix(*(volatile u32 *)(p + o)), mix(*(volatile u64 *)(p + o)), mix(*(volatile int16_t *)(p + o));
		volatile f64 d = *(volatile f64 *)(p + o);
		volatile f32 f = *(volatile f32 *)(p + o);
		mix(d == d), mix(f == f);
		v16 v = *(volatile v16 *)(p + o);
		v += 3;
		*(volatile v16 *)(p + o + 1) = v;
		*(volatile u64 *)(p + o - 3) = sum;
		*(volatile u32 *)(p + o + 5) = sum >> 7;
		*(volatile u16 *)(p + o + 9) = sum >> 11;
		unsigned __int128 w;
		memcpy(&w, p + o, 16);
		w = w * 3 + 1;
		memcpy(p + o, &w, 16);
	}
	// Up to the last byte before an unmapped page.
	for (int n = 1; n <= 64; n++) {
		memset(p + 8192 - n, n, n);
		for (int i = 0; i < n; i++)
			mix(p[8192 - n + i]);
		char *end = (char *)p + 8191;
		*end = 0;
		mix(strlen((char *)p + 8192 - n)), mix(memchr(p + 8192 - n, 255, n) == 0), mix(memcmp(p + 8192 - n, p + 100, n) > 0);
		memmove(p + 8192 - n, p + 8192 - 2 * n, n);
	}
	for (int i = 0; i < 8192; i++)
		mix(p[i]);
	printf("%016lx\n", (long)sum);
	return 0;
}
