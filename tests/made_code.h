// Code that a test makes: a function that returns a number below 1024.
#pragma once
#include <stdint.h>
#include <string.h>

enum { MADE_SIZE = 16 };

static inline void make_function(void *at, unsigned n)
{
#ifdef __aarch64__
	uint32_t code[] = { 0x52800000 | n << 5, 0xd65f03c0 };
#elif defined __riscv
	uint32_t code[] = { 0x00000513 | n << 20, 0x00008067 };
#elif defined __arm__
	// movw r0, #n; bx lr
	uint32_t code[] = { 0xe3000000 | (n & 0xf000) << 4 | (n & 0xfff), 0xe12fff1e };
#else
	uint8_t code[] = { 0xb8, n, n >> 8, 0, 0, 0xc3 };
#endif
	memcpy(at, code, sizeof code);
	__builtin___clear_cache(at, (char *)at + sizeof code);
}

static inline int call_made(void *at)
{
	return ((int (*)(void))at)();
}
