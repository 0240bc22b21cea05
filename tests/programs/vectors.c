// What the compiler makes of vector code: integer and floating lanes of all sizes, shuffles, reductions, string functions.
//@ flags: -O3 -ffp-contract=off -Wno-psabi
#include "../check.h"
#include <math.h>

#define N 1000
static uint64_t sum, seed = 1;
static void mix(uint64_t v) { sum = (sum ^ v) * 0x9e3779b97f4a7c15ull + (sum >> 31); }
static uint64_t next(void) { return seed = seed * 6364136223846793005ull + 1442695040888963407ull, seed >> 16 ^ seed << 40; }

#define LANES(T, name)                                                                                       \
	static __attribute__((noinline)) void name(T *a, T *b, T *c)                                         \
	{                                                                                                    \
		for (int i = 0; i < N; i++) c[i] = a[i] * b[i] + (a[i] > b[i] ? a[i] - b[i] : b[i]);         \
		for (int i = 0; i < N; i++) a[i] = c[i] < a[i] ? c[i] : a[i];                                \
		T s = 0, m = a[0];                                                                           \
		for (int i = 0; i < N; i++) s += c[i], m = m > c[i] ? m : c[i];                              \
		mix((uint64_t)s), mix((uint64_t)m);                                                          \
		for (int i = 0; i < N; i++) mix((uint64_t)c[i]);                                             \
	}
LANES(uint8_t, l8) LANES(int8_t, s8) LANES(uint16_t, l16) LANES(int16_t, s16) LANES(uint32_t, l32) LANES(int32_t, s32) LANES(uint64_t, l64) LANES(int64_t, s64)

#define MOVES(T, U, name)                                                                                    \
	static __attribute__((noinline)) void name(T *a, U *b)                                               \
	{                                                                                                    \
		for (int i = 0; i < N; i++) b[i] = a[i];                                                     \
		for (int i = 0; i < N; i++) a[i] = (T)(b[N - 1 - i] >> 1);                                   \
		for (int i = 0; i < N; i++) mix((uint64_t)a[i] + (uint64_t)b[i]);                            \
	}
MOVES(uint8_t, uint32_t, w8) MOVES(int16_t, int64_t, w16) MOVES(int32_t, uint16_t, n32) MOVES(uint64_t, uint8_t, n64)

static __attribute__((noinline)) void floats(float *a, float *b, double *c)
{
	for (int i = 0; i < N; i++) a[i] = (int)(next() & 0xffff) * 0.25f, b[i] = (int)(next() & 0xfff) + 1;
	for (int i = 0; i < N; i++) c[i] = a[i] / b[i] + sqrtf(a[i]);
	for (int i = 0; i < N; i++) a[i] = fabsf(b[i] - a[i]) * 1.5f;
	for (int i = 0; i < N; i++) b[i] = a[i] > c[i] ? (float)(int)c[i] : floorf(a[i]);
	for (int i = 0; i < N; i++) {
		uint64_t u;
		uint32_t v;
		memcpy(&u, &c[i], 8), mix(u), memcpy(&v, &a[i], 4), mix(v), memcpy(&v, &b[i], 4), mix(v);
	}
}

static __attribute__((noinline)) void interleave(uint8_t *rgb, uint8_t *gray, uint16_t *pairs)
{
	for (int i = 0; i < N / 3; i++) gray[i] = (rgb[3 * i] * 77 + rgb[3 * i + 1] * 151 + rgb[3 * i + 2] * 28) >> 8;
	for (int i = 0; i < N / 4; i++) pairs[2 * i] = rgb[4 * i] + rgb[4 * i + 3], pairs[2 * i + 1] = rgb[4 * i + 1] ^ rgb[4 * i + 2];
	for (int i = 0; i < N / 3; i++) mix(gray[i]);
	for (int i = 0; i < N / 2; i++) mix(pairs[i]);
}

typedef uint8_t v16 __attribute__((vector_size(16)));
typedef int32_t v4 __attribute__((vector_size(16)));

int main(void)
{
	static uint64_t a[N], b[N], c[N];
#define FILL() for (int i = 0; i < N; i++) a[i] = next(), b[i] = next(), c[i] = next()
	FILL(); l8((void *)a, (void *)b, (void *)c);
	FILL(); s8((void *)a, (void *)b, (void *)c);
	FILL(); l16((void *)a, (void *)b, (void *)c);
	FILL(); s16((void *)a, (void *)b, (void *)c);
	FILL(); l32((void *)a, (void *)b, (void *)c);
	FILL(); s32((void *)a, (void *)b, (void *)c);
	FILL(); l64(a, b, c);
	FILL(); s64((void *)a, (void *)b, (void *)c);
	FILL(); w8((void *)a, (void *)b);
	FILL(); w16((void *)a, (void *)b);
	FILL(); n32((void *)a, (void *)b);
	FILL(); n64((void *)a, (void *)b);
	printf("%016llx\n", (long long)sum);
	floats((void *)a, (void *)b, (void *)c);
	printf("%016llx\n", (long long)sum);
	FILL(); interleave((void *)a, (void *)b, (void *)c);
	v16 x, y;
	v4 z = { 1, -2, 3, -4 };
	for (int i = 0; i < 16; i++) x[i] = i * 7, y[i] = (i * 5) % 32;
	v16 s = __builtin_shuffle(x, x + 100, y);
	for (int i = 0; i < 16; i++) mix(s[i]);
	z = (z > 0) & (z << 3);
	for (int i = 0; i < 4; i++) mix(z[i]);
	char text[3000];
	for (int i = 0; i < 2999; i++) text[i] = 'a' + i % 23;
	text[2999] = 0;
	for (int i = 0; i < 70; i++) {
		mix(strlen(text + i)), mix(strchr(text + i, 'w') - text), mix(strrchr(text + i, 'b') - text), mix((char *)memchr(text + i, 'q', 900) - text);
		mix(strcmp(text + i, text + i + 23) > 0), mix(strstr(text + i, "uvwab") - text), mix(strspn(text + i, "abcdefghijk")), mix(strcspn(text + i, "zw"));
		mix(strncmp(text + i, text + i + 23, 500) > 0), mix(memcmp(text + i, text + i + 23, 1000) > 0), mix(strnlen(text + i, 100));
		memmove(text + i, text + 2 * i, 1500 - i);
	}
	printf("%016llx\n", (long long)sum);
	return 0;
}
