// Prints a call as it is written, its result and the name of its errno: for programs whose output on the host is what is wanted.
#pragma once
#include "check.h"

#define SAY(call) \
	do { \
		errno = 0; \
		long long result_ = (call); \
		printf("%s = %lld%s%s\n", #call, result_, result_ == -1 ? " " : "", result_ == -1 ? strerrorname_np(errno) : ""); \
	} while (0)
