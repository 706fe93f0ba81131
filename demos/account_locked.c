/*
 * account_locked.c - The teaching notes' bank account as it is there: the lock makes save and draw take turns.
 *
 * Prints 1500. The innocent twin of account.c: snarl says "no problems found".
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

struct account {
	int balance;
	const char *name;
	pthread_mutex_t lock;
};

static struct account account = { .balance = 1000, .name = "余婷", .lock = PTHREAD_MUTEX_INITIALIZER };

static void *save(void *num)
{
	printf("开始存钱\n");
	pthread_mutex_lock(&account.lock);
	int old_balance = account.balance;
	usleep(100 * 1000);
	account.balance = old_balance + *(int *)num;
	printf("存钱成功！\n");
	pthread_mutex_unlock(&account.lock);
	return NULL;
}

static void *draw(void *num)
{
	printf("开始取钱!\n");
	pthread_mutex_lock(&account.lock);
	int old_balance = account.balance;
	usleep(50 * 1000);
	account.balance = old_balance - *(int *)num;
	printf("取钱成功!\n");
	pthread_mutex_unlock(&account.lock);
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
