/*
 * echo_server.c - The teaching notes' upper-case server ("a concurrent TCP server"): one thread for each connection.
 *
 * Four clients connect at once, each sends a line and gets it back in capitals. Clients and server are one program
 * here, and it ends after the four. What the notes' server would need next is added: it counts its connections. Every
 * thread reads the counter, greets, and writes it back, so some connections are lost: it prints less than 4.
 *
 * snarl says: data-race on connections, between the write of one thread and the read or write of another (once the
 * race engine watches memory accesses).
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 4

static struct sockaddr_in address = { .sin_family = AF_INET }; /* the server's; its port is whatever is free */
static int connections;

static void *serve(void *arg)
{
	int conn = (int)(intptr_t)arg;
	char data[1024];
	ssize_t n;

	int number = connections + 1;
	printf("与第%d个客户端建立链接\n", number);
	usleep(50 * 1000);
	connections = number; // EXPECT data-race

	while ((n = recv(conn, data, sizeof(data), 0)) > 0) {
		printf("客户端发来消息: %.*s\n", (int)n, data);
		for (ssize_t i = 0; i < n; i++)
			data[i] = (char)toupper((unsigned char)data[i]);
		send(conn, data, (size_t)n, 0);
	}
	close(conn);
	return NULL;
}

static void *client(void *message)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);
	size_t length = strlen(message), got = 0;
	char answer[64];
	ssize_t n;

	if (connect(s, (struct sockaddr *)&address, sizeof(address)) != 0)
		perror("connect");
	send(s, message, length, MSG_NOSIGNAL);
	while (got < length && (n = recv(s, answer + got, sizeof(answer) - got, 0)) > 0)
		got += (size_t)n;
	printf("服务端的回答: %.*s\n", (int)got, answer);
	close(s);
	return NULL;
}

int main(void)
{
	static char message[CLIENTS][8] = { "alex", "egon", "yuanhao", "tt" };
	pthread_t serving[CLIENTS], asking[CLIENTS];
	socklen_t size = sizeof(address);
	int tcp = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(tcp, (struct sockaddr *)&address, size) != 0 || listen(tcp, CLIENTS) != 0 ||
	    getsockname(tcp, (struct sockaddr *)&address, &size) != 0) {
		perror("127.0.0.1");
		return 1;
	}
	for (int i = 0; i < CLIENTS; i++)
		pthread_create(&asking[i], NULL, client, message[i]);
	for (int i = 0; i < CLIENTS; i++) {
		int conn = accept(tcp, NULL, NULL);
		pthread_create(&serving[i], NULL, serve, (void *)(intptr_t)conn);
	}
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(asking[i], NULL);
		pthread_join(serving[i], NULL);
	}
	close(tcp);
	printf("%d\n", connections);
	return 0;
}
