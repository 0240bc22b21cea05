/* A program for each architecture that `anyarch verify` runs in an empty root, through the kernel's handler.
 *
 * It stands alone: no libc, no loader, nothing in the file system but itself as /t. The first argument says which test;
 * the exit code says what came of it: 42 for success, else the number of the check that failed. `build.sh` builds it
 * with Debian's cross compilers; the results are committed, so that the tool needs none.
 */

typedef unsigned long ul;
typedef long sl;

static void *copy(void *to, const void *from, ul n) { char *t = to; const char *f = from; while (n--) *t++ = *f++; return to; }
void *memcpy(void *to, const void *from, ul n) { return copy(to, from, n); }
void *memset(void *to, int c, ul n) { volatile char *t = to; while (n--) *t++ = (char)c; return to; }

/* ---- each architecture: the numbers of its system calls, the call itself, its first instruction, a thread --------- */

/* fork gets clone's arguments for a plain child and ignores them where it is a call of its own. */
#define NUMBERS(sigaction, yield, getpid, fork, execve, exit, exit_group, wait4, kill, geteuid) \
    enum { NR_sigaction = sigaction, NR_yield = yield, NR_getpid = getpid, NR_fork = fork, NR_execve = execve, NR_exit = exit, \
           NR_exit_group = exit_group, NR_wait4 = wait4, NR_kill = kill, NR_geteuid = geteuid }

/* The instruction, what it returns, the registers of number and arguments; the rest is what it destroys. */
#define CALL(instruction, result, rn, ra, rb, rc, rd, ...) \
    static sl sys(sl number, sl a0, sl b0, sl c0, sl d0) { \
        register sl n __asm__(rn) = number, a __asm__(ra) = a0, b __asm__(rb) = b0, c __asm__(rc) = c0, d __asm__(rd) = d0; \
        __asm__ volatile(instruction : "+r"(n), "+r"(a), "+r"(b), "+r"(c), "+r"(d) : : "memory", ##__VA_ARGS__); \
        return result; \
    }

#define FUNCTION(name, text) __asm__(".text\n.globl " #name "\n.type " #name ",%function\n" #name ":\n" text)
/* _start: begin(stack), on an aligned stack. */
#define START(text) FUNCTION(_start, text)
/* thread_start(flags, stack, function): clone; the child calls function on the new stack and never returns. */
#define THREAD(text) FUNCTION(thread_start, text)
/* Where a signal handler returns to, on architectures whose programs must say so. */
#define RESTORE(text) FUNCTION(restore, text); void restore(void); static void (*const restorer)(void) = restore

sl thread_start(ul flags, void *stack, void (*function)(void));

#if defined(__x86_64__)
NUMBERS(13, 24, 39, 57, 59, 60, 231, 61, 62, 107);
CALL("syscall", n, "rax", "rdi", "rsi", "rdx", "r10", "rcx", "r11")
START("xor %ebp,%ebp\nmov %rsp,%rdi\nand $-16,%rsp\ncall begin\n");
THREAD("mov %rdx,%r9\nxor %edx,%edx\nxor %r10d,%r10d\nxor %r8d,%r8d\nmov $56,%eax\nsyscall\ntest %rax,%rax\njz 1f\nret\n1: call *%r9\n");
#define HAS_RESTORER
RESTORE("mov $15,%eax\nsyscall\n");
#elif defined(__i386__)
NUMBERS(174, 158, 20, 2, 11, 1, 252, 114, 37, 201);
CALL("int $0x80", n, "eax", "ebx", "ecx", "edx", "esi")
START("xor %ebp,%ebp\nmov %esp,%eax\nand $-16,%esp\nsub $12,%esp\npush %eax\ncall begin\n");
THREAD("push %ebx\npush %esi\npush %edi\npush %ebp\nmov 20(%esp),%ebx\nmov 24(%esp),%ecx\nmov 28(%esp),%ebp\nxor %edx,%edx\nxor %esi,%esi\nxor %edi,%edi\nmov $120,%eax\nint $0x80\n"
       "test %eax,%eax\njz 1f\npop %ebp\npop %edi\npop %esi\npop %ebx\nret\n1: call *%ebp\n");
#define HAS_RESTORER
RESTORE("mov $173,%eax\nint $0x80\n");
#elif defined(__aarch64__)
#define GENERIC
CALL("svc 0", a, "x8", "x0", "x1", "x2", "x3")
START("mov x29,#0\nmov x0,sp\nand sp,x0,#-16\nbl begin\n");
THREAD("mov x9,x2\nmov x2,#0\nmov x3,#0\nmov x4,#0\nmov x8,#220\nsvc 0\ncbz x0,1f\nret\n1: blr x9\n");
#elif defined(__arm__)
NUMBERS(174, 158, 20, 2, 11, 1, 248, 114, 37, 201);
CALL("svc 0", a, "r7", "r0", "r1", "r2", "r3")
START("mov fp,#0\nmov r0,sp\nbic sp,sp,#7\nbl begin\n");
THREAD("push {r4,r5,r6,r7,lr}\nmov r6,r2\nmov r2,#0\nmov r3,#0\nmov r4,#0\nmov r7,#120\nsvc 0\ncmp r0,#0\nbeq 1f\npop {r4,r5,r6,r7,pc}\n1: mov lr,pc\nmov pc,r6\n");
#define HAS_RESTORER
RESTORE("mov r7,#173\nsvc 0\n");
#if __ARM_ARCH < 6
/* No exclusives yet: the kernel's page of helpers has compare and exchange, and an emulator must have the page. */
int __sync_fetch_and_add_4(volatile void *at, int n) {
    int old;
    do old = *(volatile int *)at; while (((int (*)(int, int, volatile void *))0xffff0fc0)(old, old + n, at));
    return old;
}
#endif
#elif defined(__riscv)
#define GENERIC
#define NO_RESTORER_FIELD
CALL("ecall", a, "a7", "a0", "a1", "a2", "a3")
START(".option push\n.option norelax\nla gp,__global_pointer$\n.option pop\nmv a0,sp\nandi sp,sp,-16\ncall begin\n");
THREAD("mv t3,a2\nli a2,0\nli a3,0\nli a4,0\nli a7,220\necall\nbeqz a0,1f\nret\n1: jalr t3\n");
#elif defined(__loongarch64)
#define GENERIC
#define NO_RESTORER_FIELD
CALL("syscall 0", a, "$a7", "$a0", "$a1", "$a2", "$a3", "$t0", "$t1", "$t2", "$t3", "$t4", "$t5", "$t6", "$t7", "$t8")
START("move $fp,$zero\nmove $a0,$sp\nbstrins.d $sp,$zero,3,0\nbl begin\n");
THREAD("addi.d $sp,$sp,-16\nst.d $s0,$sp,0\nmove $s0,$a2\nmove $a2,$zero\nmove $a3,$zero\nmove $a4,$zero\nli.w $a7,220\nsyscall 0\nbeqz $a0,1f\nld.d $s0,$sp,0\naddi.d $sp,$sp,16\nret\n1: jirl $ra,$s0,0\n");
#elif defined(__powerpc64__)
NUMBERS(173, 158, 20, 2, 11, 1, 234, 114, 37, 49);
CALL("sc\nbns+ 1f\nneg %1,%1\n1:", a, "r0", "r3", "r4", "r5", "r6", "cr0", "r7", "r8", "r9", "r10", "r11", "r12", "ctr")
START("bl 1f\n1: mflr 2\naddis 2,2,.TOC.-1b@ha\naddi 2,2,.TOC.-1b@l\nmr 3,1\nclrrdi 1,1,4\nli 0,0\nstdu 0,-64(1)\nbl begin\nnop\n");
THREAD(".localentry thread_start,1\nstd 29,-8(1)\nmr 29,5\nli 5,0\nli 6,0\nli 7,0\nli 0,120\nsc\ncmpdi 3,0\nbeq 1f\nld 29,-8(1)\nblr\n1: li 0,0\nstdu 0,-64(1)\nmtctr 29\nmr 12,29\nbctrl\n");
#elif defined(__s390x__)
NUMBERS(174, 158, 20, 2, 11, 1, 248, 114, 37, 201);
CALL("svc 0", a, "1", "2", "3", "4", "5", "cc")
START("lgr %r2,%r15\nnill %r15,0xfff8\naghi %r15,-160\nbrasl %r14,begin\n");
/* clone takes the stack first here. */
THREAD("lgr %r0,%r4\nlgr %r1,%r2\nlgr %r2,%r3\nlgr %r3,%r1\nlghi %r4,0\nlghi %r5,0\nlghi %r1,120\nsvc 0\nltgr %r2,%r2\nje 1f\nbr %r14\n1: lgr %r1,%r0\naghi %r15,-160\nbasr %r14,%r1\n");
#elif defined(__mips64)
NUMBERS(5013, 5023, 5038, 5056, 5057, 5058, 5205, 5059, 5060, 5105);
#define FLAGS_FIRST
CALL("syscall", d ? -n : n, "$2", "$4", "$5", "$6", "$7", "$1", "$3", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$24", "$25", "hi", "lo")
START(".set noreorder\nmove $4,$29\nli $8,-16\nand $29,$29,$8\ndla $25,begin\njalr $25\nnop\n.set reorder\n");
THREAD(".set noreorder\ndaddiu $29,$29,-16\nsd $16,0($29)\nmove $16,$6\nmove $6,$0\nmove $7,$0\nmove $8,$0\nli $2,5055\nsyscall\nbeqz $2,1f\nnop\nld $16,0($29)\njr $31\ndaddiu $29,$29,16\n1: move $25,$16\njalr $25\nnop\n.set reorder\n");
#else
#error "no such architecture"
#endif

/* Newer architectures share their numbers, and have clone for fork. */
#ifdef GENERIC
NUMBERS(134, 124, 172, 220, 221, 93, 94, 260, 129, 175);
#endif

#ifdef FLAGS_FIRST
enum { SIG_USR1 = 16, SIG_CHLD = 18, SA_INFO = 8 };
struct action { unsigned flags; void (*handler)(int, int *, void *); ul mask[2]; };
#define MASK_SIZE 16
#else
enum { SIG_USR1 = 10, SIG_CHLD = 17, SA_INFO = 4 };
struct action {
    void (*handler)(int, int *, void *);
    ul flags;
#ifndef NO_RESTORER_FIELD
    void (*restorer)(void);
#endif
    ul mask[8 / sizeof(ul)];
};
#define MASK_SIZE 8
#endif

/* ---- tests -------------------------------------------------------------------------------------------------------- */

enum { GOOD = 42, THREADS = 4, ROUNDS = 1000 };

/* Ends the process. `exit` would end only this thread: where others are still on their way out, the last of them gives
 * the status. */
static void leave(int code) { for (;;) sys(NR_exit_group, code, 0, 0, 0); }

static int same(const char *a, const char *b) { while (*a && *a == *b) a++, b++; return *a == *b; }

static sl fork(void) { return sys(NR_fork, SIG_CHLD, 0, 0, 0); }

/* Exit status of a child, or -1. */
static int wait_for(sl pid) {
    int status = 0;
    return sys(NR_wait4, pid, (sl)&status, 0, 0) == pid ? status : -1;
}

static int test_fork(void) {
    sl child = fork();
    if (child == 0) leave(7);
    if (child < 0) return 1;
    if (wait_for(child) != 7 << 8) return 2;
    child = fork();
    if (child == 0) { sys(NR_kill, sys(NR_getpid, 0, 0, 0, 0), 9, 0, 0); leave(0); }
    return wait_for(child) == 9 ? GOOD : 3;
}

static int test_exec(void) {
    static const char *args[] = { "second", "start", 0 }, *env[] = { 0 };
    sl child = fork();
    if (child == 0) { sys(NR_execve, (sl)"/t", (sl)args, (sl)env, 0); leave(1); }
    int status = wait_for(child);
    return status == GOOD << 8 ? GOOD : status == 1 << 8 ? 1 : 2;
}

static int counter, finished;
static char stacks[THREADS][16384] __attribute__((aligned(16)));

static void thread(void) {
    for (int i = 0; i < ROUNDS; i++) __sync_fetch_and_add(&counter, 1);
    __sync_fetch_and_add(&finished, 1);
    for (;;) sys(NR_exit, 0, 0, 0, 0);
}

static int test_threads(void) {
    /* VM, FS, FILES, SIGHAND, THREAD, SYSVSEM */
    for (int i = 0; i < THREADS; i++)
        if (thread_start(0x50f00, stacks[i] + sizeof stacks[i] - 256, thread) <= 0) return 1;
    for (int i = 0; i < 10000000 && *(volatile int *)&finished < THREADS; i++) sys(NR_yield, 0, 0, 0, 0);
    if (finished != THREADS) return 2;
    return counter == THREADS * ROUNDS ? GOOD : 3;
}

static volatile int seen;
static void handler(int number, int *info, void *context) { (void)context; seen = number == info[0] ? number : -1; }

static int test_signals(void) {
    struct action action;
    memset(&action, 0, sizeof action);
    action.handler = handler;
    action.flags = SA_INFO;
#ifdef HAS_RESTORER
    action.flags |= 0x04000000;
    action.restorer = restorer;
#endif
    if (sys(NR_sigaction, SIG_USR1, (sl)&action, 0, MASK_SIZE)) return 1;
    if (sys(NR_kill, sys(NR_getpid, 0, 0, 0, 0), SIG_USR1, 0, 0)) return 2;
    for (int i = 0; i < 1000 && !seen; i++) sys(NR_yield, 0, 0, 0, 0);
    return seen == SIG_USR1 ? GOOD : 3;
}

__attribute__((used)) void begin(ul *stack) {
    char **args = (char **)(stack + 1);
    const char *test = stack[0] > 1 ? args[1] : "start";
    int result = 99;
    if (same(test, "start")) result = GOOD;
    if (same(test, "argv0")) result = same(args[0], "anyarch argv zero") ? GOOD : 1;
    if (same(test, "fork")) result = test_fork();
    if (same(test, "exec")) result = test_exec();
    if (same(test, "threads")) result = test_threads();
    if (same(test, "signals")) result = test_signals();
    if (same(test, "setuid")) result = sys(NR_geteuid, 0, 0, 0, 0) == 0 ? GOOD : 1;
    leave(result);
}
