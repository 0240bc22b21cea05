// A function that a program writes for itself.
#include <stdint.h>

// A function that returns n, below 2048, in 8 bytes.
static uint64_t constant(int n)
{
#ifdef __aarch64__
	return 0xd65f03c052800000 | n << 5; // mov w0, #n; ret
#elif defined __riscv
	return 0x0000806700000513 | (uint64_t)n << 20; // li a0, n; ret
#elif defined __arm__
	return 0xe12fff1ee3000000 | n; // movw r0, #n; bx lr
#else
	return 0xc300000000b8 | (uint64_t)n << 8; // mov eax, n; ret
#endif
}

static int call(void *p) { return ((int (*)(void))p)(); }
