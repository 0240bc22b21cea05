// A function in a process of its own.
#pragma once
#include "check.h"
#include <sys/wait.h>
#include <unistd.h>

// How the process that runs `f` ends, as wait(2) tells.
static int status_of(void (*f)(void))
{
	pid_t child = fork();
	if (child == 0) {
		f();
		_exit(0);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child);
	return status;
}
