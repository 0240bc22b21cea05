// riscv_hwprobe: keys, sets of processors, faults, and its agreement with AT_HWCAP, /proc/cpuinfo and what instructions do; riscv_flush_icache.
//@ guest-only: riscv64
//@ variants: static musl interp
#include "../check.h"
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct pair { int64_t key; uint64_t value; };
enum { WHICH = 1 };

static long probe(struct pair *pairs, size_t count, size_t size, void *cpus, unsigned flags)
{
	return syscall(258, pairs, count, size, cpus, flags);
}

static uint64_t value(int64_t key)
{
	struct pair p = { key, 99 };
	CHECK(probe(&p, 1, 0, 0, 0) == 0 && p.key == key);
	return p.value;
}

static sigjmp_buf back;
static void illegal(int signo) { siglongjmp(back, signo); }

// Words of one instruction each; vector ones after a VSETIVLI of four words.
static int executes(uint32_t word)
{
	uint32_t *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	code[0] = 0xcd027057, code[1] = word, code[2] = 0x00008067; // vsetivli x0, 4, e32, m1; ...; ret
	CHECK(syscall(259, code, code + 3, 0) == 0);
	int got = sigsetjmp(back, 1);
	if (!got)
		((void (*)(void))code)();
	munmap(code, 4096);
	return !got;
}

// Each with an instruction of its own, if it has one that needs no memory.
static const struct { const char *name; int bit; uint32_t word; } extensions[] = {
	{ "zba", 3, 0x20b52533 }, // sh1add
	{ "zbb", 4, 0x60051513 }, // clz
	{ "zbs", 5, 0x28b51533 }, // bset
	{ "zbc", 7, 0x0ab52533 }, // clmulr
	{ "zbkb", 8, 0x08b54533 }, // pack
	{ "zbkc", 9, 0x0ab51533 }, // clmul
	{ "zbkx", 10, 0x28b52533 }, // xperm4
	{ "zvbb", 17, 0x4ac52257 }, // vbrev.v
	{ "zvkb", 19, 0x4ac42257 }, // vbrev8.v
	{ "zvkg", 20, 0xb2c42277 }, // vghsh.vv
	{ "zvkned", 21, 0xa2c12277 }, // vaesem.vv
	{ "zvknha", 22, 0xb6c42277 }, // vsha2ms.vv
	{ "zvknhb", 23, 0xbec42277 }, // vsha2cl.vv
	{ "zfh", 27, 0x04b50553 }, // fadd.h
	{ "zicond", 35, 0x0eb55533 }, // czero.eqz
	{ "zawrs", 48, 0x00d00073 }, // wrs.nto
	{ "zkt", 16 }, { "zvbc", 18 }, { "zvkt", 26 }, { "zfhmin", 28 }, { "zihintntl", 29 }, { "zvfh", 30 }, { "zvfhmin", 31 },
	{ "zfa", 32 }, { "zacas", 34 }, { "zihintpause", 36 }, { "zve32x", 37 }, { "zve32f", 38 }, { "zve64x", 39 }, { "zve64f", 40 },
	{ "zve64d", 41 }, { "zimop", 42 }, { "zca", 43 }, { "zcb", 44 }, { "zcd", 45 }, { "zcmop", 47 }, { "zicntr", 50 },
	{ "zicbom", 55 }, { "zaamo", 56 }, { "zalrsc", 57 }, { "zabha", 58 }, { "zicbop", 60 }, { "zicboz", 6 },
	// These are not there today.
	{ "zknd", 11, 0x3ab50533 }, // aes64ds
	{ "zkne", 12, 0x32b50533 }, // aes64es
	{ "zknh", 13, 0x10051513 }, // sha256sum0
	{ "zksed", 14, 0x30b50533 }, // sm4ed
	{ "zksh", 15, 0x10851513 }, // sm3p0
	{ "zvksed", 24, 0xa2c82277 }, // vsm4r.vv
	{ "zvksh", 25, 0x82c42277 }, // vsm3me.vv
	{ "zfbfmin", 52, 0x44858553 }, // fcvt.bf16.s
	{ "ztso", 33 }, { "zcf", 46 }, { "supm", 49 }, { "zihpm", 51 }, { "zvfbfmin", 53 }, { "zvfbfwma", 54 }, { "zalasr", 59 }, { "zilsd", 61 },
	{ "zclsd", 62 }, { "zicfilp", 63 },
};

int main(void)
{
	signal(SIGILL, illegal);
	// Every key up to 16 is known.
	for (int key = 0; key <= 16; key++)
		value(key);
	CHECK(value(0) == 0 && value(1) == 0 && value(2) == 0 && value(3) == 1);
	CHECK(value(5) == 3 && value(9) == 3 && value(10) == 3);
	CHECK(value(6) == 64 && value(12) == 64 && value(15) == 64);
	CHECK(value(7) == 1ul << 47 && value(8) == 1000000000);
	CHECK(value(11) == 0 && value(13) == 0 && value(14) == 0 && value(16) == 0);
	static const int64_t unknown[] = { 17, -1, -2, 1l << 40, INT64_MIN };
	for (int n = 0; n < 5; n++) {
		struct pair p[2] = { { unknown[n], 7 }, { 8, 7 } };
		CHECK(probe(p, 2, 0, 0, 0) == 0 && p[0].key == -1 && p[0].value == 0 && p[1].key == 8 && p[1].value == 1000000000);
	}
	CHECK(probe(0, 0, 0, 0, 0) == 0);

	// The ISA string, the bits and the instructions agree.
	static char text[1 << 16];
	FILE *f = fopen("/proc/cpuinfo", "r");
	CHECK(f && fread(text, 1, sizeof text - 1, f) > 0);
	char hart[4096], isa[4096], hart_isa[4096];
	CHECK(sscanf(text, "processor\t: 0\nhart\t\t: %s\nisa\t\t: %s\nmmu\t\t: sv48\nmvendorid\t: 0x0\nmarchid\t\t: 0x0\nmimpid\t\t: 0x0\nhart isa\t: %s\n\n", hart, isa, hart_isa) == 3);
	CHECK(!strcmp(hart, "0") && !strcmp(isa, hart_isa) && !strncmp(isa, "rv64imafdcv_", 12));
	CHECK(strstr(isa, "_zicbom_zicbop_zicboz_zicntr_zicond_zicsr_zifencei_zihintntl_zihintpause_zimop_zaamo_zabha_zacas_zalrsc_zawrs_zfa_zfh_zfhmin_"
			  "zca_zcb_zcd_zcmop_zba_zbb_zbc_zbkb_zbkc_zbkx_zbs_zkt_zvbb_zvbc_zve32f_"));
	uint64_t bits = value(4);
	CHECK((bits & 7) == 7 && getauxval(AT_HWCAP) == 0x20112d);
	strcat(isa, "_");
	for (size_t n = 0; n < sizeof extensions / sizeof *extensions; n++) {
		char word[32];
		snprintf(word, sizeof word, "_%s_", extensions[n].name);
		int told = bits >> extensions[n].bit & 1;
		if (!!strstr(isa, word) != told)
			printf("%s: %d in hwprobe, cpuinfo differs\n", extensions[n].name, told);
		CHECK(!!strstr(isa, word) == told);
		if (extensions[n].word && executes(extensions[n].word) != told) {
			printf("%s: %d in hwprobe, the instruction differs\n", extensions[n].name, told);
			return 1;
		}
	}

	// Sets of processors: all are equal.
	cpu_set_t set, old;
	struct pair p = { 3, 7 };
	CHECK(sched_getaffinity(0, sizeof old, &old) == 0);
	int cpu = 0;
	while (!CPU_ISSET(cpu, &old))
		cpu++;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK(probe(&p, 1, sizeof set, &set, 0) == 0 && p.value == 1);
	CPU_ZERO(&set);
	FAILS(probe(&p, 1, sizeof set, &set, 0), EINVAL);
	CPU_SET(1000, &set);
	FAILS(probe(&p, 1, sizeof set, &set, 0), EINVAL);
	FAILS(probe(&p, 1, 8, 0, 0), EFAULT);
	FAILS(probe(&p, 1, 0, &set, 0), EINVAL);
	FAILS(probe(&p, 1, 0, 0, 2), EINVAL);
	FAILS(probe(&p, 1, sizeof set, &set, WHICH | 2), EINVAL);
	FAILS(probe((void *)8, 1, 0, 0, 0), EFAULT);
	// One more than there is room for: the others are answered.
	char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(page + 4096, 4096);
	struct pair *last = (struct pair *)(page + 4096) - 1;
	last->key = 8;
	FAILS(probe(last, 2, 0, 0, 0), EFAULT);
	CHECK(last->value == 1000000000);

	// Which processors have these values.
	FAILS(probe(&p, 1, 0, 0, WHICH), EINVAL);
	FAILS(probe(&p, 1, sizeof set, 0, WHICH), EINVAL);
	FAILS(probe(&p, 1, 0, &set, WHICH), EINVAL);
	FAILS(probe(&p, 1, sizeof set, (void *)8, WHICH), EFAULT);
	CPU_ZERO(&set);
	struct pair want[3] = { { 3, 1 }, { 4, bits & 0xf }, { 8, 1000000000 } };
	// An empty set means all that are online, and is filled in.
	CHECK(probe(want, 3, sizeof set, &set, WHICH) == 0 && CPU_ISSET(cpu, &set) && CPU_COUNT(&set) >= CPU_COUNT(&old));
	CHECK(want[1].value == (bits & 0xf));
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK(probe(want, 3, sizeof set, &set, WHICH) == 0 && CPU_COUNT(&set) == 1);
	// A bit that is not there, a value that is another, a key that is none.
	want[1].value |= 1 << 11;
	CHECK(probe(want, 3, sizeof set, &set, WHICH) == 0 && CPU_COUNT(&set) == 0);
	want[1].value = 0, want[2].value = 1;
	CPU_SET(cpu, &set);
	CHECK(probe(want, 3, sizeof set, &set, WHICH) == 0 && CPU_COUNT(&set) == 0);
	want[2] = (struct pair){ 99, 5 };
	CPU_SET(cpu, &set);
	CHECK(probe(want, 3, sizeof set, &set, WHICH) == 0 && CPU_COUNT(&set) == 0 && want[2].key == -1 && want[2].value == 0);

	CHECK(syscall(259, 0, 0, 0) == 0 && syscall(259, 0, -1l, 1) == 0 && syscall(259, 8, 4, 1) == 0);
	FAILS(syscall(259, 0, 0, 2), EINVAL);
	FAILS(syscall(259, 0, 0, 1l << 40), EINVAL);
	CHECK(getauxval(AT_PLATFORM) == 0 && getauxval(51) == 1664 && getauxval(AT_HWCAP2) == 0);
	puts("hwprobe");
	return 0;
}
