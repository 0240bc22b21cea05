// POSIX message queues.
//@ flags: -lrt
#include "../check.h"
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int notified;
static void on_message(int signo, siginfo_t *info, void *context)
{
	(void)context;
	notified = signo == SIGUSR1 && info->si_code == SI_MESGQ && info->si_value.sival_int == 99;
}

int main(void)
{
	char name[50], buffer[100];
	sprintf(name, "/anyarch-test-%d", getpid());
	struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 100}, got;
	mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attr);
	if (q == -1 && (errno == ENOSYS || errno == EACCES)) {
		printf("%s\n", strerror(errno));
		return 0;
	}
	CHECK(q >= 0);
	FAILS(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr), EEXIST);
	CHECK(mq_getattr(q, &got) == 0 && got.mq_flags == O_NONBLOCK && got.mq_maxmsg == 4 && got.mq_msgsize == 100);
	CHECK(mq_send(q, "low", 3, 1) == 0 && mq_send(q, "high", 4, 30) == 0);
	unsigned priority;
	CHECK(mq_receive(q, buffer, 100, &priority) == 4 && priority == 30);
	FAILS(mq_receive(q, buffer, 10, NULL), EMSGSIZE);
	CHECK(mq_receive(q, buffer, 100, &priority) == 3 && priority == 1);
	FAILS(mq_receive(q, buffer, 100, NULL), EAGAIN);
	struct sigaction sa = {.sa_sigaction = on_message, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &sa, NULL);
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 99};
	CHECK(mq_notify(q, &ev) == 0);
	FAILS(mq_notify(q, &ev), EBUSY);
	CHECK(mq_send(q, "x", 1, 0) == 0 && notified == 1 && mq_receive(q, buffer, 100, NULL) == 1);
	attr.mq_flags = 0;
	CHECK(mq_setattr(q, &attr, &got) == 0 && got.mq_flags == O_NONBLOCK);
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 2000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	FAILS(mq_timedreceive(q, buffer, 100, NULL, &ts), ETIMEDOUT);
	pid_t child = fork();
	if (child == 0) {
		usleep(5000);
		_exit(mq_send(q, "child", 5, 0));
	}
	CHECK(mq_receive(q, buffer, 100, NULL) == 5);
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(mq_close(q) == 0 && mq_unlink(name) == 0);
	FAILS(mq_unlink(name), ENOENT);
	FAILS(mq_open(name, O_RDONLY), ENOENT);
	puts("done");
	return 0;
}
