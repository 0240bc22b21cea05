// Shared libraries that come and go: the word of the command line is their folder.
#include "soak.h"
#include <dlfcn.h>
#include <pthread.h>

enum { LIBRARIES = 4 };

static void *open_and_close(void *argument)
{
	uint64_t hash = (uintptr_t)argument;
	for (int i = 0; i < 40; i++) {
		char path[4096];
		int which = (hash >> 7) % LIBRARIES;
		snprintf(path, sizeof path, "%s/library%d.so", word[1], which);
		void *library = dlopen(path, i & 1 ? RTLD_NOW : RTLD_LAZY);
		if (!library)
			fprintf(stderr, "%s\n", dlerror());
		CHECK(library);
		int (*add)(int) = (int (*)(int))dlsym(library, "add");
		int (*fill)(int) = (int (*)(int))dlsym(library, "fill");
		CHECK(add && fill);
		CHECK(add(i) == 41 + which + i);
		// What it returns depends on whether the other thread has the library open too.
		fill(i);
		hash = mix(hash, add(which));
		CHECK(dlclose(library) == 0);
	}
	return (void *)(uintptr_t)hash;
}

static uint64_t one_round(unsigned seed)
{
	// One library after another by this thread alone, then two threads at once.
	uint64_t hash = (uintptr_t)open_and_close((void *)(uintptr_t)mix(1, seed));
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&threads[i], 0, open_and_close, (void *)(uintptr_t)mix(hash, i)) == 0);
	for (int i = 0; i < 2; i++) {
		void *result;
		CHECK(pthread_join(threads[i], &result) == 0);
		hash = mix(hash, (uintptr_t)result);
	}
	return hash;
}
