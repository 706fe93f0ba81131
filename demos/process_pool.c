/*
 * process_pool.c - The teaching notes' process pool: ten numbers, squared by three processes.
 *
 * The processes share no memory: tasks come to them through one pipe, results go back through another. The number
 * printed is the sum of the squares, 285.
 *
 * snarl says: no problems found. Each process is watched and writes a journal of its own; snarl run follows them all
 * and says it once for the whole tree.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 3
#define TASKS     10

struct result {
	int n, square;
};

static void work(int tasks, int results)
{
	struct result r;

	while (read(tasks, &r.n, sizeof(r.n)) == sizeof(r.n)) { /* a pipe gives so little in one piece */
		printf("%d is running\n", (int)getpid());
		usleep(10 * 1000);
		r.square = r.n * r.n;
		if (write(results, &r, sizeof(r)) != sizeof(r))
			perror("write");
	}
}

int main(void)
{
	int tasks[2], results[2], sum = 0;
	struct result r;

	setvbuf(stdout, NULL, _IOLBF, 0); /* nothing may wait in the buffer at a fork */
	if (pipe(tasks) != 0 || pipe(results) != 0) {
		perror("pipe");
		return 1;
	}
	for (int i = 0; i < PROCESSES; i++) {
		if (fork() == 0) {
			close(tasks[1]);
			close(results[0]);
			work(tasks[0], results[1]);
			return 0;
		}
	}
	close(tasks[0]);
	close(results[1]);
	for (int n = 0; n < TASKS; n++) /* submit */
		if (write(tasks[1], &n, sizeof(n)) != sizeof(n))
			perror("write");
	close(tasks[1]); /* shutdown */
	while (read(results[0], &r, sizeof(r)) == sizeof(r)) {
		printf("%d ** 2 = %d\n", r.n, r.square);
		sum += r.square;
	}
	while (wait(NULL) > 0)
		;
	printf("%d\n", sum);
	return 0;
}
