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
