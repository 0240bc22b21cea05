// The workloads of `cargo xtask bench`, one per first argument; the second is a factor on the amount of work (100 = the usual).
// Built for the host and for the guest with the same flags. Each prints a checksum, which must be the same on both.
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>
#if defined __aarch64__ || defined __arm__
#include <arm_neon.h>
#elif defined __x86_64__
#include <immintrin.h>
#endif

static long scale = 100;
static uint64_t sum;
#define TIMES(n) for (long times = (long long)(n) * scale / 100; times-- > 0;)
#define NOINLINE __attribute__((noinline))
// Where the baseline has no vectors, what the compiler needs to make them: 32-bit Arm's flush denormals.
#ifdef __arm__
#define SIMD __attribute__((target("fpu=neon"), optimize("unsafe-math-optimizations")))
#else
#define SIMD
#endif
static void mix(uint64_t v) { sum = (sum ^ v) * 0x9e3779b97f4a7c15ull + (sum >> 31); }

// Integer: a sieve, a 64-bit hash, long division, a matrix of integers.
static void integer(void)
{
	static uint8_t sieve[1 << 18];
	static uint32_t a[64][64], b[64][64], c[64][64];
	TIMES(20) {
		memset(sieve, 1, sizeof sieve);
		for (unsigned i = 2; i * i < sizeof sieve; i++)
			if (sieve[i])
				for (unsigned j = i * i; j < sizeof sieve; j += i)
					sieve[j] = 0;
		uint64_t h = 14695981039346656037ull;
		for (unsigned i = 0; i < sizeof sieve; i++)
			h = (h ^ sieve[i]) * 1099511628211ull;
		mix(h);
		for (uint64_t i = 1; i < 30000; i++)
			h += (h / i) ^ (h % (i + 7));
		mix(h);
		for (int i = 0; i < 64 * 64; i++)
			a[0][i] = h >> (i & 31), b[0][i] = h * i >> 7;
		for (int i = 0; i < 64; i++)
			for (int j = 0; j < 64; j++) {
				uint32_t s = 0;
				for (int k = 0; k < 64; k++)
					s += a[i][k] * b[k][j];
				c[i][j] = s;
			}
		mix(c[13][37]);
	}
}

// Calls: naive Fibonacci, Ackermann, a comparison function called by a sort.
static NOINLINE int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static NOINLINE int ackermann(int m, int n) { return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1)); }
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static void calls(void)
{
	TIMES(10) {
		static int v[20000];
		mix(fib(27));
		mix(ackermann(2, 700));
		uint32_t s = 1;
		for (int i = 0; i < 20000; i++)
			v[i] = (s = s * 1664525 + 1013904223) >> 4;
		qsort(v, 20000, sizeof *v, compare);
		mix(v[777]);
	}
}

// Indirect jumps: a byte-code interpreter with computed goto, and calls through a table.
static NOINLINE uint64_t o0(uint64_t x) { return x + 1; }
static NOINLINE uint64_t o1(uint64_t x) { return x * 3; }
static NOINLINE uint64_t o2(uint64_t x) { return x ^ x >> 7; }
static NOINLINE uint64_t o3(uint64_t x) { return x - 5; }
static void indirect(void)
{
	static uint64_t (*volatile table[])(uint64_t) = { o0, o1, o2, o3, o2, o1, o0, o3 };
	static uint8_t code[4096];
	static void *const labels[] = { &&add, &&mul, &&xor, &&sub, &&rot, &&skip, &&swap, &&end };
	uint32_t s = 7;
	for (int i = 0; i < 4095; i++)
		code[i] = (s = s * 1664525 + 1013904223) >> 24 & 255, code[i] %= 7;
	code[4095] = 7;
	TIMES(2000) {
		uint64_t x = sum, y = 1;
		const uint8_t *pc = code;
		goto *labels[*pc++];
	add: x += y; goto *labels[*pc++];
	mul: x *= 5; goto *labels[*pc++];
	xor: x ^= y >> 3; goto *labels[*pc++];
	sub: y -= x; goto *labels[*pc++];
	rot: x = x << 7 | x >> 57; goto *labels[*pc++];
	skip: y++; goto *labels[*pc++];
	swap: { uint64_t t = x; x = y; y = t; } goto *labels[*pc++];
	end:
		for (int i = 0; i < 1000; i++)
			x = table[x >> 13 & 7](x);
		mix(x + y);
	}
}

// Scalar floating point: n-body steps, a polynomial, conversions.
static void fp(void)
{
	double x[5] = { 0, 4.84, 8.34, 12.89, 15.37 }, y[5] = { 0, -1.16, 4.12, -15.11, -25.9 }, z[5] = { 0, -.1, -.4, -.22, .17 };
	double vx[5] = { 0, .6, -1.01, 1.08, .97 }, vy[5] = { 0, 2.8, 1.8, .86, .59 }, vz[5] = { 0, -.02, .008, -.01, -.03 };
	static const double mass[5] = { 39.47, .037, .011, .0017, .002 };
	TIMES(150000) {
		for (int i = 0; i < 5; i++)
			for (int j = i + 1; j < 5; j++) {
				double dx = x[i] - x[j], dy = y[i] - y[j], dz = z[i] - z[j], d2 = dx * dx + dy * dy + dz * dz;
				double mag = 0.001 / (d2 * sqrt(d2));
				vx[i] -= dx * mass[j] * mag, vy[i] -= dy * mass[j] * mag, vz[i] -= dz * mass[j] * mag;
				vx[j] += dx * mass[i] * mag, vy[j] += dy * mass[i] * mag, vz[j] += dz * mass[i] * mag;
			}
		for (int i = 0; i < 5; i++)
			x[i] += 0.001 * vx[i], y[i] += 0.001 * vy[i], z[i] += 0.001 * vz[i];
	}
	mix(x[0] * 1e6 > 0), mix((int64_t)(x[1] * 1000));
	float p = 0.5f;
	TIMES(4000000) {
		p = ((p * 1.7f - 0.3f) * p + 0.1f) * p + 0.45f;
		if (p > 1 || p < -1)
			p = (float)((int)(p * 100) % 100) / 100;
	}
	mix((int)(p * 1000) != 12345);
}

// SIMD floating point: single and double vectors, with the compiler's generic vectors.
typedef float f4 __attribute__((vector_size(16)));
typedef double d2 __attribute__((vector_size(16)));
SIMD static void simdfp(void)
{
	static f4 a[1024], b[1024];
	static d2 c[1024];
	for (int i = 0; i < 1024; i++)
		for (int k = 0; k < 4; k++)
			a[i][k] = i * 0.25f + k, b[i][k] = 1.0f / (i + 1 + k), c[i][k & 1] = i;
	TIMES(4000) {
		for (int i = 0; i < 1024; i++) {
			a[i] = a[i] * b[i] + b[i ^ 1] - (f4){ .5f, .25f, .125f, .0625f };
			c[i] = c[i] * 0.5 + (d2){ a[i][0], a[i][1] };
		}
	}
	mix((int)(a[7][1] * 1000) / 2 * 0 + (c[9][0] > -1e30));
}

// SIMD integer: absolute differences, saturation, shuffles, multiply and widen.
SIMD static void simdint(void)
{
	static uint8_t a[16384], b[16384], c[16384];
	static int16_t w[16384];
	static int32_t d[16384];
	for (int i = 0; i < 16384; i++)
		a[i] = i * 7, b[i] = i * 13 >> 2, w[i] = i * 31;
	TIMES(1500) {
		for (int i = 0; i < 16384; i++) {
			int x = a[i] - b[i];
			c[i] = x < 0 ? -x : x;
		}
		for (int i = 0; i < 16384; i++)
			d[i] = w[i] * w[16383 - i] + c[i];
		for (int i = 0; i < 16384; i++)
			w[i] = d[i] >> 9;
		for (int i = 0; i < 16384; i++)
			a[i] = c[i] > 100 ? b[i] : a[i] + 1;
	}
	uint32_t s = 0;
	for (int i = 0; i < 16384; i++)
		s += d[i] + a[i];
	mix(s);
}

static void memory(void)
{
	enum { N = 1 << 20 };
	char *a = malloc(N), *b = malloc(N);
	memset(a, 1, N);
	TIMES(300) {
		memcpy(b, a, N);
		memmove(a + 1, b, N - 1);
		memset(b, times, N / 2);
		mix(memcmp(a, b, 100) > 0);
	}
	for (int i = 0; i < N; i += 4096)
		mix(a[i]);
	uint64_t *links = (uint64_t *)a;
	for (unsigned i = 0; i < N / 8; i++)
		links[i] = (i * 40503u + 1) % (N / 8);
	uint64_t at = 0;
	TIMES(3000000) at = links[at];
	mix(at);
}

static void strings(void)
{
	static char text[4096], copy[4096];
	for (int i = 0; i < 4095; i++)
		text[i] = 'a' + i % 25;
	TIMES(6000) {
		volatile long r = strlen(text);
		r += (char *)memchr(text, 'z', 4000) == 0;
		r += strchr(text, 'Z') == 0;
		strcpy(copy, text);
		r += strcmp(copy, text) + memcmp(text, copy, 4096) + strncmp(text, copy, 3000);
		r += strrchr(text, 'c') - text;
		for (int i = 0; i < 100; i++)
			r += strlen(text + 4095 - i) + strcmp(text + i, text + i + 25) * 0;
		mix(r);
	}
}

#ifdef __aarch64__
#define CRYPTO __attribute__((target("+crypto+crc")))
#elif defined __arm__
#define CRYPTO __attribute__((target("arch=armv8-a+crypto+crc")))
#elif defined __x86_64__
#define CRYPTO __attribute__((target("aes,pclmul,sse4.2,ssse3")))
#else
#define CRYPTO
// Debian's baseline of this architecture has no instructions for AES, CRC and SHA: its programs compute with tables.
static uint32_t crc_table[256], aes_table[256];
static void tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? 0x82f63b78 : 0);
		crc_table[i] = c;
		aes_table[i] = (i << 24 | i << 16 | i << 8 | (i << 1 ^ (i >> 7) * 0x1b)) * 3 ^ 0x63636363;
	}
}
static uint32_t crc32c(uint32_t c, uint64_t v)
{
	for (int i = 0; i < 8; i++, v >>= 8)
		c = crc_table[(uint8_t)(c ^ v)] ^ c >> 8;
	return c;
}
// The memory accesses and operations of a round of AES by tables (whose values are no cipher's).
static void aes_round(uint32_t *b)
{
	uint32_t s[4];
	memcpy(s, b, 16);
	for (int i = 0; i < 4; i++) {
		uint32_t t1 = aes_table[(uint8_t)(s[(i + 1) & 3] >> 8)], t2 = aes_table[(uint8_t)(s[(i + 2) & 3] >> 16)], t3 = aes_table[s[(i + 3) & 3] >> 24];
		b[i] = aes_table[(uint8_t)s[i]] ^ (t1 << 8 | t1 >> 24) ^ (t2 << 16 | t2 >> 16) ^ (t3 << 24 | t3 >> 8) ^ 0x3c3c3c3c;
	}
}
#endif

CRYPTO static void aes(void)
{
#if defined __aarch64__ || defined __arm__
	uint8x16_t b[4], k = vdupq_n_u8(0x3c);
	for (int i = 0; i < 4; i++)
		b[i] = vdupq_n_u8(i);
	TIMES(400000)
		for (int r = 0; r < 10; r++)
			for (int i = 0; i < 4; i++)
				b[i] = vaesmcq_u8(vaeseq_u8(b[i], k));
	mix(vgetq_lane_u64(vreinterpretq_u64_u8(b[3]), 0) != 1);
#elif defined __riscv
	uint32_t b[4][4];
	tables();
	for (int i = 0; i < 4; i++)
		memset(b[i], i, 16);
	TIMES(400000)
		for (int r = 0; r < 10; r++)
			for (int i = 0; i < 4; i++)
				aes_round(b[i]);
	mix((b[3][0] | (uint64_t)b[3][1] << 32) != 1);
#else
	__m128i b[4], k = _mm_set1_epi8(0x3c);
	for (int i = 0; i < 4; i++)
		b[i] = _mm_set1_epi8(i);
	TIMES(400000)
		for (int r = 0; r < 10; r++)
			for (int i = 0; i < 4; i++)
				b[i] = _mm_aesenc_si128(b[i], k);
	mix(_mm_cvtsi128_si64(b[3]) != 1);
#endif
}

CRYPTO static void pmull(void)
{
	uint64_t x = 0x123456789abcdef, y = 77;
	TIMES(4000000) {
#ifdef __aarch64__
		poly128_t p = vmull_p64(x, 0x1b3d5c9187654321);
		x = (uint64_t)p ^ y, y += (uint64_t)(p >> 64);
#elif defined __arm__
		uint64x2_t p = vreinterpretq_u64_p128(vmull_p64(x, 0x1b3d5c9187654321));
		x = vgetq_lane_u64(p, 0) ^ y, y += vgetq_lane_u64(p, 1);
#elif defined __riscv
		// clmul, clmulh (Zbc).
		uint64_t low, high, k = 0x1b3d5c9187654321;
		__asm__(".insn r 0x33, 1, 5, %0, %2, %3\n.insn r 0x33, 3, 5, %1, %2, %3" : "=&r"(low), "=&r"(high) : "r"(x), "r"(k));
		x = low ^ y, y += high;
#else
		__m128i p = _mm_clmulepi64_si128(_mm_cvtsi64_si128(x), _mm_cvtsi64_si128(0x1b3d5c9187654321), 0);
		x = _mm_cvtsi128_si64(p) ^ y, y += _mm_extract_epi64(p, 1);
#endif
	}
	mix(x + y);
}

CRYPTO static void crc(void)
{
	uint32_t c = 1;
#ifdef __riscv
	tables();
#endif
	TIMES(15000000)
#ifdef __aarch64__
		c = __builtin_aarch64_crc32cx(c, times * 0x9e3779b97f4a7c15);
#elif defined __arm__
	{
		uint64_t v = times * 0x9e3779b97f4a7c15;
		c = __builtin_arm_crc32cw(__builtin_arm_crc32cw(c, v), v >> 32);
	}
#elif defined __riscv
		c = crc32c(c, times * 0x9e3779b97f4a7c15);
#else
		c = _mm_crc32_u64(c, times * 0x9e3779b97f4a7c15);
#endif
	mix(c);
}

static const uint32_t k256[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74,
	0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d,
	0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e,
	0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5,
	0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// One block of SHA-256: the guest's instructions; SHA-NI on the host where it has them (bench.rs says so), else plain C.
#if defined __aarch64__ || defined __arm__
CRYPTO static void sha_block(uint32_t *state, const uint32_t *block)
{
	uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4), a0 = abcd, e0 = efgh, w[4];
	for (int i = 0; i < 4; i++)
		w[i] = vld1q_u32(block + 4 * i);
	for (int i = 0; i < 16; i++) {
		uint32x4_t t = vaddq_u32(w[i & 3], vld1q_u32(k256 + 4 * i)), old = abcd;
		if (i < 12)
			w[i & 3] = vsha256su1q_u32(vsha256su0q_u32(w[i & 3], w[(i + 1) & 3]), w[(i + 2) & 3], w[(i + 3) & 3]);
		abcd = vsha256hq_u32(abcd, efgh, t);
		efgh = vsha256h2q_u32(efgh, old, t);
	}
	vst1q_u32(state, vaddq_u32(abcd, a0)), vst1q_u32(state + 4, vaddq_u32(efgh, e0));
}
#elif defined HOST_SHA
__attribute__((target("sha,sse4.1,ssse3"))) static void sha_block(uint32_t *state, const uint32_t *block)
{
	__m128i t = _mm_shuffle_epi32(_mm_loadu_si128((void *)state), 0xb1), s1 = _mm_shuffle_epi32(_mm_loadu_si128((void *)(state + 4)), 0x1b);
	__m128i s0 = _mm_alignr_epi8(t, s1, 8), w[4];
	s1 = _mm_blend_epi16(s1, t, 0xf0);
	__m128i a = s0, b = s1;
	for (int i = 0; i < 4; i++)
		w[i] = _mm_loadu_si128((void *)(block + 4 * i));
	for (int i = 0; i < 16; i++) {
		__m128i m = _mm_add_epi32(w[i & 3], _mm_loadu_si128((void *)(k256 + 4 * i)));
		if (i < 12) {
			__m128i n = _mm_add_epi32(_mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]), _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
			w[i & 3] = _mm_sha256msg2_epu32(n, w[(i + 3) & 3]);
		}
		s1 = _mm_sha256rnds2_epu32(s1, s0, m);
		s0 = _mm_sha256rnds2_epu32(s0, s1, _mm_shuffle_epi32(m, 0x0e));
	}
	s0 = _mm_add_epi32(s0, a), s1 = _mm_add_epi32(s1, b);
	t = _mm_shuffle_epi32(s0, 0x1b), s1 = _mm_shuffle_epi32(s1, 0xb1);
	_mm_storeu_si128((void *)state, _mm_blend_epi16(t, s1, 0xf0));
	_mm_storeu_si128((void *)(state + 4), _mm_alignr_epi8(s1, t, 8));
}
#else
static uint32_t ror(uint32_t x, int n) { return x >> n | x << (32 - n); }
static void sha_block(uint32_t *state, const uint32_t *block)
{
	uint32_t w[64], s[8];
	memcpy(w, block, 64), memcpy(s, state, 32);
	for (int i = 16; i < 64; i++)
		w[i] = w[i - 16] + (ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] + (ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10);
	for (int i = 0; i < 64; i++) {
		uint32_t t1 = s[7] + (ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k256[i] + w[i];
		uint32_t t2 = (ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
		memmove(s + 1, s, 28);
		s[4] += t1, s[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		state[i] += s[i];
}
#endif
static void sha(void)
{
	uint32_t state[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, block[16] = { 1, 2, 3 };
	TIMES(300000) {
		block[times & 15] ^= state[0];
		sha_block(state, block);
	}
	mix(state[0] ^ (uint64_t)state[7] << 32);
}

static void *idle(void *p)
{
	pause();
	return p;
}
static void second_thread(void)
{
	pthread_t t;
	pthread_create(&t, 0, idle, 0);
	pthread_detach(t);
}

static void atomics(void)
{
	static _Atomic uint64_t a, b;
	second_thread();
	TIMES(2000000) {
		atomic_fetch_add(&a, 3);
		uint64_t old = atomic_load(&b);
		atomic_compare_exchange_strong(&b, &old, old + a);
		atomic_fetch_or_explicit(&b, 1, memory_order_relaxed);
	}
	mix(a + b);
}

static void mutex(void)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	static uint64_t n;
	second_thread();
	TIMES(3000000) {
		pthread_mutex_lock(&m);
		n++;
		pthread_mutex_unlock(&m);
	}
	mix(n);
}

static void *nothing(void *p) { return p; }
static void threads(void)
{
	TIMES(1500) {
		pthread_t t;
		pthread_create(&t, 0, nothing, 0);
		pthread_join(t, 0);
	}
}
static void forks(void)
{
	TIMES(500) {
		pid_t p = fork();
		if (p == 0)
			_exit(0);
		waitpid(p, 0, 0);
	}
}
static void getppid_(void) { TIMES(600000) mix(syscall(SYS_getppid) > 0); }
static void clock_(void)
{
	struct timespec t;
	TIMES(1500000) mix(clock_gettime(CLOCK_MONOTONIC, &t));
}
static void readwrite(void)
{
	char buffer[512] = { 0 };
	int z = open("/dev/zero", O_RDONLY), n = open("/dev/null", O_WRONLY);
	TIMES(200000) {
		mix(read(z, buffer, sizeof buffer));
		mix(write(n, buffer, sizeof buffer));
	}
}
// A JIT compiler: writes a function, flushes, calls it.
#include <sys/mman.h>
static void jit(void)
{
	uint8_t *p = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TIMES(50000) {
		uint16_t n = times;
#ifdef __aarch64__
		uint32_t code[] = { 0x52800000 | n << 5, 0xd65f03c0 };
#elif defined __arm__
		uint32_t code[] = { 0xe3000000 | (n & 0xf000) << 4 | (n & 0xfff), 0xe12fff1e };
#elif defined __riscv
		uint32_t code[] = { 0x00000537 | ((n + 0x800) >> 12) << 12, 0x0005051b | (uint32_t)n << 20, 0x00008067 };
#else
		uint8_t code[] = { 0xb8, n, n >> 8, 0, 0, 0xc3 };
#endif
		memcpy(p, code, sizeof code);
		__builtin___clear_cache((char *)p, (char *)p + 16);
		mix(((int (*)(void))p)());
	}
}

// Signals: to the thread itself, to one that computes, to one that waits in a call, and of a timer of 10 kHz to one that computes.
#include <sched.h>
#include <signal.h>
static _Atomic long caught, ready;
static void count(int signal) { (void)signal, caught++; }
static void counted(int signal)
{
	struct sigaction action = { .sa_handler = count, .sa_flags = SA_RESTART };
	sigaction(signal, &action, 0);
}
static void signal_self(void)
{
	counted(SIGUSR1);
	TIMES(150000) raise(SIGUSR1);
	mix(caught);
}
static void *computing(void *p)
{
	volatile uint64_t *x = p;
	for (ready = 1;;)
		for (int i = 0; i < 1000; i++)
			*x = *x * 6364136223846793005 + i;
	return p;
}
static void *waiting(void *p)
{
	int ends[2];
	char byte;
	if (pipe(ends) == 0)
		ready = 1, (void)!read(ends[0], &byte, 1);
	return p;
}
static void signal_thread(void *(*target)(void *))
{
	static uint64_t number;
	pthread_t t;
	counted(SIGRTMIN);
	pthread_create(&t, 0, target, &number);
	while (!ready)
		sched_yield();
	// In batches, which queue, so that little of the time is the scheduler's.
	TIMES(150) {
		long before = caught;
		for (int i = 0; i < 1000; i++)
			pthread_kill(t, SIGRTMIN);
		while (caught < before + 1000)
			usleep(50);
	}
	mix(caught);
}
static void signal_computing(void) { signal_thread(computing); }
static void signal_waiting(void) { signal_thread(waiting); }
static void signal_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec often = { { 0, 100000 }, { 0, 100000 } };
	timer_t timer;
	uint64_t x = 1;
	counted(SIGUSR1);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &often, 0);
	TIMES(150000000) x = x * 6364136223846793005 + (x >> 60);
	timer_delete(timer);
	mix(x);
}

static const struct { const char *name; void (*run)(void); } all[] = {
	{ "integer", integer }, { "calls", calls }, { "indirect", indirect }, { "fp", fp }, { "simdfp", simdfp }, { "simdint", simdint }, { "memory", memory },
	{ "strings", strings }, { "aes", aes }, { "pmull", pmull }, { "crc", crc }, { "sha", sha }, { "atomics", atomics }, { "mutex", mutex }, { "threads", threads },
	{ "forks", forks }, { "getppid", getppid_ }, { "clock", clock_ }, { "readwrite", readwrite }, { "jit", jit },
	{ "signal-self", signal_self }, { "signal-computing", signal_computing }, { "signal-waiting", signal_waiting }, { "signal-timer", signal_timer },
};

int main(int argc, char **argv)
{
	if (argc > 2)
		scale = atol(argv[2]);
	for (unsigned i = 0; argc > 1 && i < sizeof all / sizeof *all; i++)
		if (strcmp(argv[1], all[i].name) == 0) {
			all[i].run();
			printf("%s %016llx\n", argv[1], (unsigned long long)sum);
			return 0;
		}
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
		puts(all[i].name);
	return 2;
}
