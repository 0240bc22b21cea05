// Variable arguments in registers and on the stack, structures by value, many arguments.
//@ variants: static dynamic musl musl-dynamic interp
//@ not-arm: there are no integers of 128 bits
#include "../check.h"
#include <stdarg.h>

struct pair { double x, y; };
struct mixed { int64_t a; float b; char c[11]; };
struct big { long v[9]; };

static __attribute__((noinline)) double take(const char *kinds, ...)
{
	va_list ap, again;
	double sum = 0;
	va_start(ap, kinds);
	va_copy(again, ap);
	for (const char *k = kinds; *k; k++)
		switch (*k) {
		case 'i': sum = sum * 1.5 + va_arg(ap, int); break;
		case 'l': sum = sum * 1.5 + va_arg(ap, long); break;
		case 'd': sum = sum * 1.5 + va_arg(ap, double); break;
		case 'L': sum = sum * 1.5 + (double)va_arg(ap, __int128); break;
		case 'p': { struct pair p = va_arg(ap, struct pair); sum = sum * 1.5 + p.x - p.y; break; }
		case 'm': { struct mixed m = va_arg(ap, struct mixed); sum = sum * 1.5 + m.a + m.b + m.c[10]; break; }
		case 'b': { struct big b = va_arg(ap, struct big); sum = sum * 1.5 + b.v[0] + b.v[8]; break; }
		}
	va_end(ap);
	sum += kinds[0] == 'i' ? va_arg(again, int) : 0;
	va_end(again);
	return sum;
}

static __attribute__((noinline)) long many(char a, short b, int c, long d, char e, short f, int g, long h, char i, short j, int k, long l, float m, double n)
{
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j + 11 * k + 12 * l + (long)(m * 13) + (long)(n * 14);
}

static struct big __attribute__((noinline)) make(struct mixed m, struct pair p)
{
	struct big b;
	for (int i = 0; i < 9; i++)
		b.v[i] = m.a * i + (long)p.x + m.c[i];
	return b;
}

int main(void)
{
	struct pair p = { 1.25, -7 };
	struct mixed m = { 77, 2.5f, "abcdefghij" };
	struct big b = make(m, p);
	printf("%ld %ld %ld\n", b.v[0], b.v[4], b.v[8]);
	printf("%.6f\n", take("iildiildiildiild", 1, 2, 3L, 4.5, 5, 6, 7L, 8.5, 9, 10, 11L, 12.5, 13, 14, 15L, 16.5));
	printf("%.6f\n", take("dddddddddddp", 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., p));
	printf("%.6f\n", take("iLiLpmbLmpb", 3, (__int128)5 << 40, 4, (__int128)-9, p, m, b, (__int128)1, m, p, b));
	printf("%ld\n", many(-1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11, -12, 1.5f, -2.25));
	char text[300];
	snprintf(text, sizeof text, "%d %5.2f %-8s|%08x %c %ld %+d %e %p %% %*d %.*s %hhd %zu %lld", -5, 3.14159, "left", 0xbeef, 'x', -1234567890123L, 7,
		 6.02e23, (void *)0x1234, 6, 42, 3, "abcdef", 300, (size_t)99, -1LL);
	puts(text);
	int i; long l; double d; float f; char w[20], c;
	int n = sscanf("42 -77 3.5e2 0.125 word z 0x1f", "%d %ld %lf %f %19s %c %i", &i, &l, &d, &f, w, &c, &i);
	printf("%d %d %ld %g %g %s %c\n", n, i, l, d, f, w, c);
	return 0;
}
