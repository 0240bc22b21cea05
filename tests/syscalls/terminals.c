// Pseudo terminals: settings, window size, job control, line editing.
//@ flags: -lutil
#include "../check.h"
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static volatile int winch;
static void on_winch(int signo)
{
	winch += signo == SIGWINCH;
}

int main(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), number, lock = 0;
	CHECK(master >= 0 && grantpt(master) == 0 && ioctl(master, TIOCGPTN, &number) == 0 && ioctl(master, TIOCSPTLCK, &lock) == 0);
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(slave >= 0 && isatty(slave) && fcntl(slave, F_GETFD) == FD_CLOEXEC);
	char name[50];
	CHECK(ptsname_r(master, name, sizeof name) == 0 && strncmp(name, "/dev/pts/", 9) == 0 && ttyname(slave) && strcmp(ttyname(slave), name) == 0);
	struct termios t, u;
	CHECK(tcgetattr(slave, &t) == 0);
	printf("%x %x %x %x %d %d\n", t.c_iflag, t.c_oflag, t.c_cflag & ~CBAUD, t.c_lflag, t.c_cc[VINTR], t.c_cc[VMIN]);
	CHECK(cfgetospeed(&t) == B38400 && cfsetspeed(&t, B9600) == 0);
	t.c_lflag &= ~ECHO;
	CHECK(tcsetattr(slave, TCSANOW, &t) == 0 && tcgetattr(slave, &u) == 0 && u.c_lflag == t.c_lflag && cfgetispeed(&u) == B9600);
	struct winsize w = {.ws_row = 50, .ws_col = 132, .ws_xpixel = 1000}, x;
	CHECK(ioctl(slave, TIOCSWINSZ, &w) == 0 && ioctl(master, TIOCGWINSZ, &x) == 0 && memcmp(&w, &x, sizeof w) == 0);

	char buffer[100];
	int ready;
	CHECK(write(master, "typ\x7fped\n", 8) == 8 && read(slave, buffer, 100) == 6 && memcmp(buffer, "typed\n", 6) == 0);
	CHECK(write(slave, "a\nb", 3) == 3 && read(master, buffer, 100) == 4 && memcmp(buffer, "a\r\nb", 4) == 0);
	CHECK(write(master, "\x04", 1) == 1 && ioctl(slave, FIONREAD, &ready) == 0 && ready == 0 && read(slave, buffer, 10) == 0);
	cfmakeraw(&t);
	CHECK(tcsetattr(slave, TCSAFLUSH, &t) == 0 && write(master, "x", 1) == 1);
	struct pollfd input = {slave, POLLIN, 0};
	CHECK(poll(&input, 1, 5000) == 1 && ioctl(slave, FIONREAD, &ready) == 0 && ready == 1 && read(slave, buffer, 10) == 1);
	CHECK(tcflush(slave, TCIOFLUSH) == 0 && tcdrain(slave) == 0 && tcsendbreak(slave, 0) == 0);
	FAILS(tcgetattr(open("/dev/null", O_RDWR), &t), ENOTTY);
	FAILS(ioctl(slave, 0xdeadbeef, 0), ENOTTY);
	FAILS(ioctl(slave, TIOCGWINSZ, 8), EFAULT);

	pid_t child = fork();
	if (child == 0) {
		CHECK(setsid() == getpid() && ioctl(slave, TIOCSCTTY, 0) == 0 && tcgetpgrp(slave) == getpid() && tcgetsid(slave) == getpid());
		signal(SIGWINCH, on_winch);
		// Ignored where the tests were started in the background of a shell.
		signal(SIGINT, SIG_DFL);
		int tty = open("/dev/tty", O_RDWR);
		CHECK(tty >= 0 && write(master, "", 0) == 0);
		w.ws_row = 10;
		CHECK(ioctl(master, TIOCSWINSZ, &w) == 0);
		while (!winch)
			usleep(1000);
		// A background group's read stops it.
		pid_t background = fork();
		if (background == 0) {
			setpgid(0, 0);
			char c;
			CHECK(read(tty, &c, 1) == 1);
			_exit(9);
		}
		int status;
		CHECK(waitpid(background, &status, WUNTRACED) == background && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
		signal(SIGTTOU, SIG_IGN);
		CHECK(tcsetpgrp(tty, background) == 0 && kill(background, SIGCONT) == 0 && write(master, "z", 1) == 1);
		CHECK(waitpid(background, &status, 0) == background && WEXITSTATUS(status) == 9);
		CHECK(tcsetpgrp(tty, getpid()) == 0 && tcgetattr(tty, &t) == 0);
		t.c_lflag |= ISIG;
		CHECK(tcsetattr(tty, TCSANOW, &t) == 0 && write(master, "\x03", 1) == 1);
		pause();
		_exit(1);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	puts("done");
	return 0;
}
