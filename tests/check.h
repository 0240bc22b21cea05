// What the test programs share. See README.md.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Ends the program with the failed condition's place.
#define CHECK(condition)                                                                                                \
	do {                                                                                                            \
		if (!(condition)) {                                                                                     \
			printf("%s:%d: %s (errno %d %s)\n", strrchr("/" __FILE__, '/') + 1, __LINE__, #condition, errno, \
			       strerror(errno));                                                                        \
			fflush(stdout);                                                                                 \
			_Exit(1);                                                                                       \
		}                                                                                                       \
	} while (0)

// The call fails with this errno.
#define FAILS(call, error)                         \
	do {                                       \
		errno = 0;                         \
		CHECK((long)(call) == -1);         \
		CHECK(errno == (error));           \
	} while (0)
