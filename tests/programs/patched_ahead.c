// A comparison, a jump, and at its target an instruction that does not read the flags, before one
// that sets them anew. Then the target is patched by one that reads them. The code before the jump
// has not changed; what was made of it has to.
#include "../check.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { FAR = 0x200, NEAR = 8 };

#if defined __aarch64__
#define COMPARE 0xeb01001f // cmp x0, x1
#define JUMP(bytes) (0x14000000 | (bytes) / 4)
#define SEVEN 0xd28000e0 // mov x0, #7
#define IF_EQUAL 0x9a9f17e0 // cset x0, eq
#define ANEW 0xf100045f // cmp x2, #1
#define RETURN 0xd65f03c0
#elif defined __arm__
#define COMPARE 0xe1500001 // cmp r0, r1
#define JUMP(bytes) (0xea000000 | ((bytes) - 8) / 4)
#define SEVEN 0xe3a00007 // mov r0, #7
#define IF_EQUAL 0x03a00001 // moveq r0, #1 (r0 is zero otherwise)
#define ANEW 0xe3520001 // cmp r2, #1
#define RETURN 0xe12fff1e
#endif

#ifdef COMPARE
static void patch(unsigned char *at, const uint32_t *words, size_t count)
{
	memcpy(at, words, count * sizeof *words);
	__builtin___clear_cache((char *)at, (char *)at + count * sizeof *words);
}

static void run(unsigned char *code, unsigned distance)
{
	long (*f)(long, long) = (long (*)(long, long))code;
	patch(code, (uint32_t[]){ COMPARE, JUMP(distance) }, 2);
	patch(code + 4 + distance, (uint32_t[]){ SEVEN, ANEW, RETURN }, 3);
	printf("%ld %ld ", f(0, 0), f(0, 6));
	patch(code + 4 + distance, (uint32_t[]){ IF_EQUAL }, 1);
	printf("%ld %ld\n", f(0, 0), f(0, 6));
}
#else
static void run(unsigned char *code, unsigned distance)
{
	printf("7 7 1 0\n");
}
#endif

int main(void)
{
	for (unsigned n = 0; n < 4; n++) {
		int all = PROT_READ | PROT_WRITE | PROT_EXEC;
		unsigned char *code = mmap(0, 8192, all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(code != MAP_FAILED);
		run(code + 64 * n, n & 1 ? NEAR : FAR);
	}
}
