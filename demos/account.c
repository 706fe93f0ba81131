/*
 * account.c - The teaching notes' bank account ("shared data"), with its lock taken out.
 *
 * One thread saves 1000, another draws 500, both read the balance, wait, and write it back: whoever writes last undoes
 * the other. 1000 + 1000 - 500 should be 1500; it prints 2000.
 *
 * snarl says: data-race on account.balance, between the two writes (once the race engine watches memory accesses).
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

struct account {
	int balance;
	const char *name;
};

static struct account account = { .balance = 1000, .name = "余婷" };

static void *save(void *num)
{
	printf("开始存钱\n");
	int old_balance = account.balance;
	usleep(100 * 1000);
	account.balance = old_balance + *(int *)num; // EXPECT data-race
	printf("存钱成功！\n");
	return NULL;
}

static void *draw(void *num)
{
	printf("开始取钱!\n");
	int old_balance = account.balance;
	usleep(50 * 1000);
	account.balance = old_balance - *(int *)num; // EXPECT data-race
	printf("取钱成功!\n");
	return NULL;
}

int main(void)
{
	int saved = 1000, drawn = 500;
	pthread_t t1, t2;

	pthread_create(&t1, NULL, save, &saved); /* 支付宝存钱 */
	pthread_create(&t2, NULL, draw, &drawn); /* 银行卡取钱 */
	pthread_join(t1, NULL);
	pthread_join(t2, NULL);
	printf("%d\n", account.balance);
	return 0;
}
