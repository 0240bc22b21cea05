// The C library at large: sorting, hashing, regular expressions, time, locale-independent conversion, allocation of many sizes.
//@ variants: static static-pie dynamic no-pie musl musl-static-pie musl-dynamic interp
#include "../check.h"
#include <regex.h>
#include <search.h>
#include <time.h>
#include <wchar.h>

static int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int main(int argc, char **argv)
{
	enum { N = 50000 };
	int *v = malloc(N * sizeof *v);
	uint32_t seed = 12345;
	for (int i = 0; i < N; i++)
		v[i] = (seed = seed * 1103515245 + 12345) >> 8 & 0xfffff;
	qsort(v, N, sizeof *v, by_value);
	int64_t sum = 0;
	for (int i = 0; i < N; i++)
		sum = sum * 31 + v[i];
	int key = v[N / 3];
	CHECK(*(int *)bsearch(&key, v, N, sizeof *v, by_value) == key);
	printf("qsort %lld\n", (long long)sum);
	char *blocks[500] = { 0 };
	for (int i = 0; i < 20000; i++) {
		seed = seed * 1103515245 + 12345;
		int k = seed >> 10 & 0xff, n = seed >> 18 & (i % 100 == 0 ? 0x3fff : 0x1ff);
		if (seed >> 9 & 1) {
			free(blocks[k]);
			blocks[k] = calloc(1, n + 1);
		} else {
			blocks[k] = realloc(blocks[k], n + 1);
		}
		memset(blocks[k], k, n + 1);
	}
	puts("malloc");
	regex_t re;
	regmatch_t m[3];
	CHECK(regcomp(&re, "([a-z]+)-([0-9]{2,4})$", REG_EXTENDED) == 0);
	CHECK(regexec(&re, "some text abc-1234", 3, m, 0) == 0);
	printf("regex %d %d %d\n", (int)m[0].rm_so, (int)m[1].rm_eo, (int)m[2].rm_so);
	time_t t = 1700000000;
	char text[100];
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %a %j", gmtime(&t));
	struct tm tm = { .tm_year = 99, .tm_mon = 1, .tm_mday = 29, .tm_hour = 30 };
	printf("time %s %ld\n", text, (long)timegm(&tm));
	long long most = strtoll("99999999999999999999", 0, 10);
	printf("strtol %ld %llu %lld %d\n", strtol("-0x7fz", 0, 0), strtoull("18446744073709551615", 0, 10), most, errno == ERANGE);
	hcreate(100);
	for (int i = 0; i < 50; i++) {
		char *k = malloc(10);
		sprintf(k, "k%d", i);
		hsearch((ENTRY){ k, (void *)(long)(i * i) }, ENTER);
	}
	printf("hash %ld\n", (long)hsearch((ENTRY){ "k37", 0 }, FIND)->data);
	wchar_t w[20];
	printf("wide %d %ls\n", (int)mbstowcs(w, "wide text", 20), w);
	FILE *f = tmpfile();
	CHECK(f);
	for (int i = 0; i < 3000; i++)
		fprintf(f, "line %d\n", i);
	rewind(f);
	long total = 0;
	while (fgets(text, sizeof text, f))
		total += strlen(text);
	printf("stdio %ld %ld\n", total, ftell(f));
	setenv("SOME_NAME", "value", 1);
	printf("%s %d %d\n", getenv("SOME_NAME"), argc, argv[argc] == 0);
	int status = system("exit 7");
	printf("system %d\n", status >> 8);
	FILE *p = popen("echo from a shell; exit 3", "r");
	CHECK(fgets(text, sizeof text, p));
	printf("popen %s%d\n", text, pclose(p) >> 8);
	return 5;
}
//@ exit: 5
