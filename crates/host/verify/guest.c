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

/* ---- each architecture: its system call, its first instruction, a thread on a stack of its own ------------------- */

#define START(text) __asm__(".text\n.globl _start\n.type _start,%function\n_start:\n" text)
#define THREAD(text) __asm__(".text\n.globl thread_start\n.type thread_start,%function\nthread_start:\n" text)

/* thread_start(flags, stack, function): clone; the child calls function on the new stack and never returns. */
sl thread_start(ul flags, void *stack, void (*function)(void));

#if defined(__x86_64__)
enum { NR_write = 1, NR_sigaction = 13, NR_yield = 24, NR_getpid = 39, NR_fork = 57, NR_execve = 59, NR_exit = 60, NR_exit_group = 231, NR_wait4 = 61, NR_kill = 62, NR_geteuid = 107, NR_clone = 56 };
static sl sys(sl n, sl a, sl b, sl c, sl d) {
    sl r; register sl r10 __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(r) : "0"(n), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return r;
}
START("xor %ebp,%ebp\nmov %rsp,%rdi\nand $-16,%rsp\ncall begin\n");
THREAD("mov %rdx,%rbx\nxor %edx,%edx\nxor %r10d,%r10d\nxor %r8d,%r8d\npush %rbx\nmov $56,%eax\nsyscall\ntest %rax,%rax\njz 1f\npop %rbx\nret\n1: call *%rbx\n");
__asm__(".globl restore\nrestore: mov $15,%eax\nsyscall\n");
#define RESTORER
#elif defined(__i386__)
enum { NR_write = 4, NR_sigaction = 174, NR_yield = 158, NR_getpid = 20, NR_fork = 2, NR_execve = 11, NR_exit = 1, NR_exit_group = 252, NR_wait4 = 114, NR_kill = 37, NR_geteuid = 201, NR_clone = 120 };
static sl sys(sl n, sl a, sl b, sl c, sl d) {
    sl r;
    __asm__ volatile("int $0x80" : "=a"(r) : "0"(n), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
    return r;
}
START("xor %ebp,%ebp\nmov %esp,%eax\nand $-16,%esp\nsub $12,%esp\npush %eax\ncall begin\n");
THREAD("push %ebx\npush %esi\npush %edi\nmov 16(%esp),%ebx\nmov 20(%esp),%ecx\nmov 24(%esp),%ebp\nxor %edx,%edx\nxor %esi,%esi\nxor %edi,%edi\nmov $120,%eax\nint $0x80\n"
       "test %eax,%eax\njz 1f\npop %edi\npop %esi\npop %ebx\nret\n1: call *%ebp\n");
__asm__(".globl restore\nrestore: mov $173,%eax\nint $0x80\n");
#define RESTORER
#elif defined(__aarch64__)
#define GENERIC_NUMBERS
static sl sys(sl n, sl a, sl b, sl c, sl d) {
    register sl x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c, x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
START("mov x29,#0\nmov x0,sp\nand sp,x0,#-16\nbl begin\n");
THREAD("mov x9,x2\nmov x2,#0\nmov x3,#0\nmov x4,#0\nmov x8,#220\nsvc 0\ncbz x0,1f\nret\n1: blr x9\n");
#elif defined(__arm__)
enum { NR_write = 4, NR_sigaction = 174, NR_yield = 158, NR_getpid = 20, NR_fork = 2, NR_execve = 11, NR_exit = 1, NR_exit_group = 248, NR_wait4 = 114, NR_kill = 37, NR_geteuid = 201, NR_clone = 120 };
static sl sys(sl n, sl a, sl b, sl c, sl d) {
    register sl r7 __asm__("r7") = n, r0 __asm__("r0") = a, r1 __asm__("r1") = b, r2 __asm__("r2") = c, r3 __asm__("r3") = d;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3) : "memory");
    return r0;
}
START("mov fp,#0\nmov r0,sp\nbic sp,sp,#7\nbl begin\n");
THREAD("push {r4,r5,r6,r7,lr}\nmov r6,r2\nmov r2,#0\nmov r3,#0\nmov r4,#0\nmov r7,#120\nsvc 0\ncmp r0,#0\nbeq 1f\npop {r4,r5,r6,r7,pc}\n1: mov lr,pc\nmov pc,r6\n");
__asm__(".globl restore\nrestore: mov r7,#173\nsvc 0\n");
#define RESTORER
#if __ARM_ARCH < 6
/* No exclusives yet: the kernel's page of helpers has compare and exchange, and an emulator must have the page. */
int __sync_fetch_and_add_4(volatile void *at, int n) {
    int old;
    do old = *(volatile int *)at; while (((int (*)(int, int, volatile void *))0xffff0fc0)(old, old + n, at));
    return old;
}
#endif
#elif defined(__riscv)
#define GENERIC_NUMBERS
#define NO_RESTORER_FIELD
static sl sys(sl n, sl a, sl b, sl c, sl d) {
    register sl a7 __asm__("a7") = n, a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c, a3 __asm__("a3") = d;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3) : "memory");
    return a0;
}
START(".option push\n.option norelax\nla gp,__global_pointer$\n.option pop\nmv a0,sp\nandi sp,sp,-16\ncall begin\n");
THREAD("mv t3,a2\nli a2,0\nli a3,0\nli a4,0\nli a7,220\necall\nbeqz a0,1f\nret\n1: jalr t3\n");
#elif defined(__powerpc64__)
enum { NR_write = 4, NR_sigaction = 173, NR_yield = 158, NR_getpid = 20, NR_fork = 2, NR_execve = 11, NR_exit = 1, NR_exit_group = 234, NR_wait4 = 114, NR_kill = 37, NR_geteuid = 49, NR_clone = 120 };
static sl sys(sl n, sl a, sl b, sl c, sl d) {
    register sl r0 __asm__("r0") = n, r3 __asm__("r3") = a, r4 __asm__("r4") = b, r5 __asm__("r5") = c, r6 __asm__("r6") = d;
    __asm__ volatile("sc\nbns+ 1f\nneg %1,%1\n1:" : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6) : : "memory", "cr0", "r7", "r8", "r9", "r10", "r11", "r12", "ctr");
    return r3;
}
START("bl 1f\n1: mflr 2\naddis 2,2,.TOC.-1b@ha\naddi 2,2,.TOC.-1b@l\nmr 3,1\nclrrdi 1,1,4\nli 0,0\nstdu 0,-64(1)\nbl begin\nnop\n");
THREAD(".localentry thread_start,1\nstd 29,-8(1)\nmr 29,5\nli 5,0\nli 6,0\nli 7,0\nli 0,120\nsc\ncmpdi 3,0\nbeq 1f\nld 29,-8(1)\nblr\n1: li 0,0\nstdu 0,-64(1)\nmtctr 29\nmr 12,29\nbctrl\n");
#elif defined(__s390x__)
enum { NR_write = 4, NR_sigaction = 174, NR_yield = 158, NR_getpid = 20, NR_fork = 2, NR_execve = 11, NR_exit = 1, NR_exit_group = 248, NR_wait4 = 114, NR_kill = 37, NR_geteuid = 201, NR_clone = 120 };
static sl sys(sl n, sl a, sl b, sl c, sl d) {
    register sl r1 __asm__("1") = n, r2 __asm__("2") = a, r3 __asm__("3") = b, r4 __asm__("4") = c, r5 __asm__("5") = d;
    __asm__ volatile("svc 0" : "+d"(r2) : "d"(r1), "d"(r3), "d"(r4), "d"(r5) : "memory", "cc");
    return r2;
}
START("lgr %r2,%r15\nnill %r15,0xfff8\naghi %r15,-160\nbrasl %r14,begin\n");
/* clone takes the stack first here. */
THREAD("lgr %r0,%r4\nlgr %r1,%r2\nlgr %r2,%r3\nlgr %r3,%r1\nlghi %r4,0\nlghi %r5,0\nlghi %r1,120\nsvc 0\nltgr %r2,%r2\nje 1f\nbr %r14\n1: lgr %r1,%r0\naghi %r15,-160\nbasr %r14,%r1\n");
#elif defined(__mips64)
enum { NR_write = 5001, NR_sigaction = 5013, NR_yield = 5023, NR_getpid = 5038, NR_fork = 5056, NR_execve = 5057, NR_exit = 5058, NR_exit_group = 5205, NR_wait4 = 5059, NR_kill = 5060, NR_geteuid = 5105, NR_clone = 5055 };
#define FLAGS_FIRST
static sl sys(sl n, sl a, sl b, sl c, sl d) {
    register sl v0 __asm__("$2") = n, a0 __asm__("$4") = a, a1 __asm__("$5") = b, a2 __asm__("$6") = c, a3 __asm__("$7") = d;
    __asm__ volatile("syscall" : "+r"(v0), "+r"(a3) : "r"(a0), "r"(a1), "r"(a2) : "memory", "$1", "$3", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$24", "$25", "hi", "lo");
    return a3 ? -v0 : v0;
}
START(".set noreorder\nmove $4,$29\nli $8,-16\nand $29,$29,$8\ndla $25,begin\njalr $25\nnop\n.set reorder\n");
THREAD(".set noreorder\ndaddiu $29,$29,-16\nsd $16,0($29)\nmove $16,$6\nmove $6,$0\nmove $7,$0\nmove $8,$0\nli $2,5055\nsyscall\nbeqz $2,1f\nnop\nld $16,0($29)\njr $31\ndaddiu $29,$29,16\n1: move $25,$16\njalr $25\nnop\n.set reorder\n");
#else
#error "no such architecture"
#endif

#ifdef GENERIC_NUMBERS
enum { NR_write = 64, NR_sigaction = 134, NR_yield = 124, NR_getpid = 172, NR_execve = 221, NR_exit = 93, NR_exit_group = 94, NR_wait4 = 260, NR_kill = 129, NR_geteuid = 175, NR_clone = 220 };
#define FORK() sys(NR_clone, 17, 0, 0, 0)
#else
#define FORK() sys(NR_fork, 0, 0, 0, 0)
#endif

#ifdef FLAGS_FIRST
enum { SIG_USR1 = 16, SA_INFO = 8 };
struct action { unsigned flags; void (*handler)(int, int *, void *); ul mask[2]; };
#define MASK_SIZE 16
#else
enum { SIG_USR1 = 10, SA_INFO = 4 };
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

/* Exit status of a child, or -1. */
static int wait_for(sl pid) {
    int status = 0;
    return sys(NR_wait4, pid, (sl)&status, 0, 0) == pid ? status : -1;
}

static int test_fork(void) {
    sl child = FORK();
    if (child == 0) leave(7);
    if (child < 0) return 1;
    if (wait_for(child) != 7 << 8) return 2;
    child = FORK();
    if (child == 0) { sys(NR_kill, sys(NR_getpid, 0, 0, 0, 0), 9, 0, 0); leave(0); }
    return wait_for(child) == 9 ? GOOD : 3;
}

static int test_exec(void) {
    static const char *args[] = { "second", "start", 0 }, *env[] = { 0 };
    sl child = FORK();
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
#ifdef RESTORER
void restore(void);
#endif
static void handler(int number, int *info, void *context) { (void)context; seen = number == info[0] ? number : -1; }

static int test_signals(void) {
    struct action action;
    memset(&action, 0, sizeof action);
    action.handler = handler;
    action.flags = SA_INFO;
#ifdef RESTORER
    action.flags |= 0x04000000;
    action.restorer = restore;
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
