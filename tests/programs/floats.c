// printf and strtod, libm (whose results glibc rounds the same everywhere for these), conversions, rounding modes, exceptions, long double.
//@ glibc: musl prints denormals with %a in another way
//@ not-arm: conversions of 64-bit integers are library functions, which know no direction of rounding
//@ flags: -frounding-math -ffp-contract=off
#include "../check.h"
#include <complex.h>
#include <fenv.h>
#include <float.h>
#include <math.h>

static uint64_t bits(double d)
{
	uint64_t u;
	memcpy(&u, &d, 8);
	return isnan(d) ? 0x7ff8000000000000 : u;
}
static uint32_t bitsf(float d)
{
	uint32_t u;
	memcpy(&u, &d, 4);
	return isnan(d) ? 0x7fc00000 : u;
}

static const double values[] = { 0, -0.0, 1, -1, 0.1, 1e-310, -4.9e-324, 1e308, -1.7e308, 2147483647.5, -2147483648.5, 4294967296.0, 9.2e18, 1.8e19, 1.0 / 3,
				 0.5, 1.5, 2.5, -0.5, 1e16, 123456789.125, 3.4e38, 3.5e38, 1e-45, 1.17e-38, INFINITY, -INFINITY, NAN };
#define N (int)(sizeof values / sizeof *values)

static uint64_t sum;
static void mix(uint64_t v) { sum = (sum ^ v) * 0x9e3779b97f4a7c15ull + (sum >> 31); }

static __attribute__((noinline)) void pair(double a, double b)
{
	volatile float x = a, y = b;
	mix(bits(a + b)), mix(bits(a - b)), mix(bits(a * b)), mix(bits(a / b)), mix(bits(fma(a, b, 1.25))), mix(bits(sqrt(a)));
	mix(bitsf(x + y)), mix(bitsf(x - y)), mix(bitsf(x * y)), mix(bitsf(x / y)), mix(bitsf(fmaf(x, y, 1.25f))), mix(bitsf(sqrtf(x)));
	mix(a < b), mix(a <= b), mix(a == b), mix(a != b), mix(isunordered(a, b)), mix(isless(x, y));
	mix(bits(a == b ? a : fmin(a, b))), mix(bits(a == b ? a : fmax(a, b))), mix(bits(copysign(a, b))), mix(bits(floor(a))), mix(bits(ceil(a))), mix(bits(trunc(a)));
	mix(bits(round(a))), mix(bits(rint(a))), mix(bits(nearbyint(a))), mix(bits(fmod(a, b))), mix(bits(remainder(a, b))), mix(bits(fabs(a)));
	if (fabs(a) < 2e9) mix((int)a), mix(llrint(a)), mix(llround(a));
	if (a >= 0 && a < 4e9) mix((unsigned)a);
	if (fabs(a) < 9e18) mix((int64_t)a);
	if (a >= 0 && a < 1.8e19) mix((uint64_t)a);
	mix(bits((double)(int64_t)bits(a))), mix(bits((double)bits(b))), mix(bitsf((float)(int64_t)bits(a))), mix(bitsf((float)bits(b)));
	mix(bits((double)(int)bits(b))), mix(bits((double)(float)a));
}

int main(void)
{
	static const int modes[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
	for (int m = 0; m < 4; m++) {
		CHECK(fesetround(modes[m]) == 0 && fegetround() == modes[m]);
		for (int i = 0; i < N; i++)
			for (int j = 0; j < N; j++)
				pair(values[i], values[j]);
		printf("mode %d %016llx\n", m, (long long)sum);
	}
	fesetround(FE_TONEAREST);
#define RAISES(expression, flags)                                                                                      \
	do {                                                                                                           \
		feclearexcept(FE_ALL_EXCEPT);                                                                          \
		volatile double r = (expression);                                                                      \
		(void)r;                                                                                               \
		int got = fetestexcept(FE_ALL_EXCEPT) & (FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW | FE_INEXACT); \
		printf("%s: %d\n", #expression, got == (flags));                                                       \
	} while (0)
	volatile double zero = 0, one = 1, tiny = 4.9e-324, huge = 1.7e308, three = 3;
	RAISES(one / zero, FE_DIVBYZERO);
	RAISES(zero / zero, FE_INVALID);
	RAISES(huge * huge, FE_OVERFLOW | FE_INEXACT);
	RAISES(tiny / three, FE_UNDERFLOW | FE_INEXACT);
	RAISES(one / three, FE_INEXACT);
	RAISES(one + one, 0);
	RAISES(sqrt(-one), FE_INVALID);
	for (int i = 0; i < N; i++) {
		char text[100];
		snprintf(text, 100, "%.17g %a %g %.3f %e %d", values[i], values[i], values[i], fabs(values[i]) < 1e20 ? values[i] : 0, values[i], fpclassify(values[i]));
		puts(text);
		if (!isnan(values[i]))
			CHECK(bits(strtod(text, 0)) == bits(values[i]));
	}
	printf("%.15g %.15g %.15g %.15g %.15g\n", sin(1.0), exp(1.5), log(10.0), pow(2.5, 3.5), atan2(1, -2));
	printf("%.6g %.6g %.6g\n", sinf(2), expf(-1), powf(1.5f, 7));
	double complex c = cexp(1 + 2 * I) * (3 - 4 * I);
	printf("%.10f %.10f %.10f\n", creal(c), cimag(c), cabs(c));
	int e;
	double fraction = frexp(1234.5, &e);
	printf("%g %d %g %g\n", fraction, e, ldexp(0.75, -1060), nextafter(1, 2) - 1);
	return 0;
}
