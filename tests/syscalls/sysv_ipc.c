// SysV semaphores, message queues and shared memory.
#include "../check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

int main(void)
{
	time_t before = time(NULL) - 1;
	int sem = semget(IPC_PRIVATE, 3, 0600 | IPC_CREAT);
	CHECK(sem >= 0);
	union semun u = {.val = 5};
	CHECK(semctl(sem, 1, SETVAL, u) == 0 && semctl(sem, 1, GETVAL) == 5);
	unsigned short values[3] = {1, 2, 3}, got[3];
	u.array = values;
	CHECK(semctl(sem, 0, SETALL, u) == 0);
	u.array = got;
	CHECK(semctl(sem, 0, GETALL, u) == 0 && memcmp(values, got, sizeof got) == 0);
	struct sembuf op[2] = {{0, -1, 0}, {2, 4, SEM_UNDO}};
	CHECK(semop(sem, op, 2) == 0 && semctl(sem, 0, GETVAL) == 0 && semctl(sem, 2, GETVAL) == 7 && semctl(sem, 2, GETPID) == getpid());
	op[0].sem_flg = IPC_NOWAIT;
	FAILS(semop(sem, op, 1), EAGAIN);
	op[0].sem_flg = 0;
	struct timespec ts = {0, 2000000};
	FAILS(semtimedop(sem, op, 1, &ts), EAGAIN);
	struct semid_ds sd;
	u.buf = &sd;
	memset(&sd, 0x55, sizeof sd);
	CHECK(semctl(sem, 0, IPC_STAT, u) == 0);
	CHECK(sd.sem_nsems == 3 && sd.sem_otime >= before && sd.sem_ctime >= before && sd.sem_ctime <= time(NULL) + 1);
	CHECK(sd.sem_perm.mode == 0600 && sd.sem_perm.uid == geteuid() && sd.sem_perm.cgid == getegid());
	sd.sem_perm.mode = 0640;
	CHECK(semctl(sem, 0, IPC_SET, u) == 0);
	memset(&sd, 0, sizeof sd);
	CHECK(semctl(sem, 0, IPC_STAT, u) == 0 && sd.sem_perm.mode == 0640 && sd.sem_nsems == 3);
	struct seminfo si;
	u.info = &si;
	CHECK(semctl(0, 0, IPC_INFO, u) >= 0 && si.semmsl > 0);
	u.buf = (void *)8;
#ifndef __arm__ // (where the C library fills the structure)
	FAILS(semctl(sem, 0, IPC_STAT, u), EFAULT);
#endif
	FAILS(semctl(sem, 9, GETVAL), EINVAL);
	pid_t child = fork();
	if (child == 0) {
		// Waits until the parent adds, then ends with the operation undone.
		struct sembuf take = {0, -2, 0}, give = {1, 1, SEM_UNDO};
		CHECK(semop(sem, &give, 1) == 0 && semop(sem, &take, 1) == 0);
		_exit(0);
	}
	op[0] = (struct sembuf){0, 2, 0};
	usleep(10000);
	CHECK(semop(sem, op, 1) == 0);
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0 && semctl(sem, 1, GETVAL) == 2);
	CHECK(semctl(sem, 0, IPC_RMID) == 0);
	FAILS(semctl(sem, 0, GETVAL), EINVAL);

	int queue = msgget(IPC_PRIVATE, 0600 | IPC_CREAT);
	struct {
		long type;
		char text[50];
	} m = {7, "seven"}, r;
	CHECK(queue >= 0 && msgsnd(queue, &m, 6, 0) == 0);
	m.type = 3;
	strcpy(m.text, "three");
	CHECK(msgsnd(queue, &m, 6, 0) == 0);
	CHECK(msgrcv(queue, &r, 50, -5, 0) == 6 && r.type == 3 && strcmp(r.text, "three") == 0);
	struct msqid_ds md;
	CHECK(msgctl(queue, IPC_STAT, &md) == 0 && md.msg_qnum == 1 && md.msg_lspid == getpid() && md.msg_perm.mode == 0600 && md.msg_stime >= before);
	FAILS(msgrcv(queue, &r, 2, 0, 0), E2BIG);
	CHECK(msgrcv(queue, &r, 2, 0, MSG_NOERROR) == 2);
	FAILS(msgrcv(queue, &r, 50, 0, IPC_NOWAIT), ENOMSG);
	md.msg_qbytes /= 2;
	CHECK(msgctl(queue, IPC_SET, &md) == 0);
	FAILS(msgsnd(queue, (void *)8, 6, 0), EFAULT);
	m.type = 0;
	FAILS(msgsnd(queue, &m, 6, 0), EINVAL);
	CHECK(msgctl(queue, IPC_RMID, NULL) == 0);

	int shm = shmget(IPC_PRIVATE, 10000, 0600 | IPC_CREAT);
	CHECK(shm >= 0);
	char *p = shmat(shm, NULL, 0), *q = shmat(shm, NULL, SHM_RDONLY);
	CHECK(p != (void *)-1 && q != (void *)-1 && p != q);
	strcpy(p + 9000, "shared");
	CHECK(strcmp(q + 9000, "shared") == 0);
	struct shmid_ds hd;
	CHECK(shmctl(shm, IPC_STAT, &hd) == 0 && hd.shm_segsz == 10000 && hd.shm_nattch == 2 && hd.shm_cpid == getpid() && hd.shm_perm.mode == 0600);
	child = fork();
	if (child == 0) {
		strcpy(p, "child");
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && strcmp(q, "child") == 0);
	CHECK(shmdt(q) == 0);
	FAILS(shmdt(q), EINVAL);
	CHECK(shmctl(shm, IPC_RMID, NULL) == 0 && shmdt(p) == 0);
	FAILS(shmat(shm, NULL, 0), EINVAL);
	FAILS(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
	puts("done");
	return 0;
}
