/*
 * chat_server.c - The teaching notes' chat ("client" and "server", ConversationThread), as far as the next step: what
 * one says is passed on to everybody.
 *
 * One thread for each conversation, and one list of members that all of them share. Each thread puts its member in
 * front of the list without a lock: it reads the head, waits, and writes the head, so members get lost. Four clients
 * each say one line when all have been welcomed; everybody should hear everybody, 16 lines. It prints less.
 *
 * snarl says: data-race on members, between the write of one thread and the read or write of another (once the race
 * engine watches memory accesses).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 4

struct member {
	int conversation; /* its connection */
	struct member *next;
};

struct client {
	const char *message;
	int heard; /* lines */
};

static struct sockaddr_in address = { .sin_family = AF_INET }; /* the server's; its port is whatever is free */
static struct member *members;
static pthread_barrier_t all_are_in;

static void *conversation_thread(void *arg)
{
	struct member *me = arg;
	char message[1024];
	ssize_t n;

	me->next = members;
	usleep(50 * 1000);
	members = me;                                 // EXPECT data-race
	send(me->conversation, "!", 1, MSG_NOSIGNAL); /* welcome */

	while ((n = recv(me->conversation, message, sizeof(message), 0)) > 0) {
		printf("收到: %.*s", (int)n, message);
		for (struct member *m = members; m; m = m->next)
			send(m->conversation, message, (size_t)n, MSG_NOSIGNAL);
	}
	return NULL;
}

static void *client(void *arg)
{
	struct client *me = arg;
	int s = socket(AF_INET, SOCK_STREAM, 0);
	char c;

	if (connect(s, (struct sockaddr *)&address, sizeof(address)) != 0 || recv(s, &c, 1, 0) != 1)
		perror("connect");
	pthread_barrier_wait(&all_are_in);
	send(s, me->message, strlen(me->message), MSG_NOSIGNAL);
	shutdown(s, SHUT_WR);
	while (recv(s, &c, 1, 0) == 1)
		me->heard += c == '\n';
	close(s);
	return NULL;
}

int main(void)
{
	static struct client clients[CLIENTS] = { { .message = "余婷: 你好\n" },
						  { .message = "alex: hi\n" },
						  { .message = "egon: 吃了吗\n" },
						  { .message = "tt: :)\n" } };
	static struct member member[CLIENTS];
	pthread_t serving[CLIENTS], talking[CLIENTS];
	socklen_t size = sizeof(address);
	int heard = 0, server = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(server, (struct sockaddr *)&address, size) != 0 || listen(server, CLIENTS) != 0 ||
	    getsockname(server, (struct sockaddr *)&address, &size) != 0) {
		perror("127.0.0.1");
		return 1;
	}
	pthread_barrier_init(&all_are_in, NULL, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		pthread_create(&talking[i], NULL, client, &clients[i]);
	for (int i = 0; i < CLIENTS; i++) {
		member[i].conversation = accept(server, NULL, NULL);
		pthread_create(&serving[i], NULL, conversation_thread, &member[i]);
	}
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(serving[i], NULL);
	for (int i = 0; i < CLIENTS; i++)
		close(member[i].conversation); /* nobody sends any more: now the clients see the end */
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(talking[i], NULL);
		heard += clients[i].heard;
	}
	pthread_barrier_destroy(&all_are_in);
	close(server);
	printf("%d\n", heard);
	return 0;
}
