// What the programs of `cargo xtask soak` share. A number comes on standard input, the program does the round of that number and answers with a
// line: the round's result, which is the same for the same number on every architecture. Between two rounds nothing of a round may be left:
// no thread, no child, no mapping, no descriptor. At the end of the input the program ends.
#pragma once
#include "../check.h"
#include <unistd.h>

// Words of the command line.
static int words;
static char **word;

static uint64_t one_round(unsigned seed);

// A step of a hash.
static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 0x9e3779b97f4a7c15ull + (hash >> 31);
}

// Work that takes about a microsecond for each 100 of `times`, with a result that tells whether it was disturbed.
static inline uint64_t compute(uint64_t seed, int times)
{
	for (volatile int i = 0; i < times; i++)
		seed = mix(seed, i);
	return seed;
}

static int answer_rounds(void)
{
	unsigned seed;
	while (scanf("%u", &seed) == 1) {
		printf("%016llx\n", (unsigned long long)one_round(seed));
		CHECK(fflush(stdout) == 0);
	}
	return 0;
}

#ifndef OWN_MAIN
int main(int argc, char **argv)
{
	words = argc;
	word = argv;
	return answer_rounds();
}
#endif
