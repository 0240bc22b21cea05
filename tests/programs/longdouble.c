// Quad precision in software: long double of the guests, __float128 of the host.
//@ host-flags: -lquadmath
//@ not-arm: long double is double
#include "../check.h"
#if __LDBL_MANT_DIG__ == 113
typedef long double quad;
#else
typedef __float128 quad;
#endif

static void show(const char *name, quad q)
{
	unsigned long w[2];
	memcpy(w, &q, 16);
	if ((w[1] & 0x7fff000000000000) == 0x7fff000000000000 && ((w[1] & 0xffffffffffff) | w[0]))
		puts("nan");
	else
		printf("%s %016lx_%016lx %.12g\n", name, w[1], w[0], (double)q);
}

int main(void)
{
	volatile quad a = 1, b = 3, c = 1e300, d = 1e-300, e = -7.25;
	show("third", a / b);
	show("sum", a / b + a / 7);
	show("product", c * c * c);
	show("tiny", d * d * d / b);
	show("difference", c - d);
	show("negative", e * b - a);
	show("nan", (a - a) / (b - b));
	quad s = 0, t = 1;
	for (int i = 1; i < 40; i++)
		s += t, t /= i;
	show("e", s);
	quad r = 2;
	for (int i = 0; i < 10; i++)
		r = (r + (quad)2 / r) / 2;
	show("sqrt2", r);
	printf("%ld %lu %d %d %d %d\n", (long)(e * 1000), (unsigned long)(c / 1e285), (int)e, a < b, e > d, c == c);
	show("int", (quad)123456789012345678L), show("unsigned", (quad)0xffffffffffffffffUL), show("float", (quad)1.5f);
	return 0;
}
