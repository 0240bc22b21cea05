// Integer arithmetic of every width and kind, folded into checksums that the host must share.
//@ not-arm: there are no integers of 128 bits
#include "../check.h"

static uint64_t seed = 88172645463325252ull, sum;
static uint64_t next(void)
{
	static const uint64_t edges[] = { 0, 1, 2, -1ull, -2ull, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 63, ~(1ull << 63), 0x8000, 0x80 };
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return seed % 3 ? seed >> (seed >> 58) : edges[seed / 3 % 12];
}
static void mix(uint64_t v) { sum = (sum ^ v) * 0x9e3779b97f4a7c15ull + (sum >> 29); }

#define WIDTH(name, S, U)                                                                                                        \
	static __attribute__((noinline)) void name(S a, S b)                                                                     \
	{                                                                                                                        \
		const U x = a, y = b;                                                                                            \
		const int n = y % (sizeof(U) * 8);                                                                               \
		mix((U)(x + y)), mix((U)(x - y)), mix((U)(x * y)), mix((U)(x & y)), mix((U)(x | ~y)), mix((U)(x ^ ~y));          \
		mix((U)(x << n)), mix((U)(x >> n)), mix((U)(a >> n)), mix((U)(x >> n | x << (sizeof(U) * 8 - n) % (sizeof(U) * 8))); \
		if (y) mix(x / y), mix(x % y);                                                                                   \
		if (b && !(b == -1 && a < 0)) mix((U)(a / b)), mix((U)(a % b));                                                  \
		mix(a < b), mix(x < y), mix(a <= b), mix(x >= y), mix(a == b), mix(a < b ? x + 1 : ~y), mix(x > 5 ? x : -y);     \
		S s;                                                                                                             \
		U u;                                                                                                             \
		mix(__builtin_add_overflow(a, b, &s)), mix((U)s), mix(__builtin_sub_overflow(x, y, &u)), mix(u);                 \
		mix(__builtin_mul_overflow(a, b, &s)), mix((U)s), mix(__builtin_mul_overflow(x, y, &u)), mix(u);                 \
	}
WIDTH(bytes, int8_t, uint8_t)
WIDTH(halves, int16_t, uint16_t)
WIDTH(words, int32_t, uint32_t)
WIDTH(longs, int64_t, uint64_t)

struct bits { int64_t a : 3, b : 17; uint64_t c : 21, d : 1; int64_t e : 22; };

static __attribute__((noinline)) void wide(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 x = (unsigned __int128)a * b + c, y = (unsigned __int128)c << 64 | a;
	__int128 z = (__int128)(int64_t)a * (int64_t)b - c;
	mix(x), mix(x >> 64), mix(z), mix(z >> 64), mix(z >> (b & 127)), mix(x << (c & 127)), mix((x << (c & 127)) >> 64);
	mix(x + y), mix((x + y) >> 64), mix((x - y) >> 64), mix(x < y), mix((__int128)x < (__int128)y);
	if (b) mix(y / b), mix(y % b), mix(z / (int64_t)b);
	if (a) {
		mix(__builtin_clzll(a)), mix(__builtin_ctzll(a)), mix(__builtin_clrsbll(a)), mix(__builtin_popcountll(a)), mix(__builtin_ffsll(a));
		if ((uint32_t)a) mix(__builtin_clz(a)), mix(__builtin_ctz(a)), mix(__builtin_clrsb(a));
	}
	mix(__builtin_bswap64(a)), mix(__builtin_bswap32(a)), mix(__builtin_bswap16(a)), mix(__builtin_parityll(b));
	struct bits s;
	memset(&s, 0, sizeof s);
	s.a = a, s.b = b, s.c = c, s.d = a >> 7, s.e = b >> 9;
	s.b += s.a, s.c ^= s.e;
	mix(s.a), mix(s.b), mix(s.c), mix(s.d), mix(s.e);
}

static __attribute__((noinline)) uint64_t constants(uint64_t a, int32_t b)
{
	uint64_t r = a / 10 ^ a % 1000 ^ (uint64_t)(b / 7) << 32 ^ (uint64_t)(b % 641) << 17;
	r += (a & 0x00ff00ff00ff00ffull) ^ (a | 0xfffe0000fffe0000ull) ^ (a ^ 0x1234567890abcdefull);
	switch (a % 9) {
	case 0: return r + 3;
	case 1: return r * 5;
	case 2: return r ^ a;
	case 3: return -r;
	case 5: return ~r;
	case 7: return r >> 3;
	}
	return r;
}

// Whether the lower halves of 64-bit results are zero, which the whole results are not.
#define HALF(name, expression) \
	static __attribute__((noinline)) int name(uint64_t a, uint64_t b) \
	{ \
		return (int)(expression) == 0 ? 1 : 2; \
	}
HALF(half_or, a | b)
HALF(half_and, a & b)
HALF(half_xor, a ^ b)
HALF(half_add, a + b)
HALF(half_sub, a - b)
HALF(half_neg, -a)
HALF(half_left, a << 20)
HALF(half_right, a >> 12)
HALF(half_mask, a & 0xfffff00000000000)
HALF(half_rotated, a >> 3 | a << 61)
HALF(half_narrow, (uint32_t)a + (uint32_t)b)

static void halves_of_results(void)
{
	static const uint64_t values[] = {0, 1, 1ull << 32, 0x7ff0000000000000, -1ull << 32, 1ull << 12, 1ull << 44, 8, 0xffffffff, 0x80000000};
	enum { N = sizeof values / sizeof *values };
	for (int i = 0; i < N * N; i++) {
		uint64_t a = values[i / N], b = values[i % N];
		mix(half_or(a, b)), mix(half_and(a, b)), mix(half_xor(a, b)), mix(half_add(a, b)), mix(half_sub(a, b)), mix(half_neg(a, b));
		mix(half_left(a, b)), mix(half_right(a, b)), mix(half_mask(a, b)), mix(half_rotated(a, b)), mix(half_narrow(a, b));
	}
}

int main(void)
{
	halves_of_results();
	for (int i = 0; i < 40000; i++) {
		uint64_t a = next(), b = next(), c = next();
		bytes(a, b), halves(a, b), words(a, b), longs(a, b), wide(a, b, c);
		mix(constants(a, b));
		if (i % 5000 == 0)
			printf("%d %016lx\n", i, (long)sum);
	}
	printf("%016lx\n", (long)sum);
	return 0;
}
