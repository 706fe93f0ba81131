"""echo.py - The teaching notes' upper-case server, a thread for each connection, and its client; both in one program, which ends
after four clients, on whatever port is free.

Server threads count what they have done under one lock, clients under another; nobody takes both.

snarl says: "no problems found".
"""
import socket
from threading import Lock, Thread

CLIENTS = 4
served, answers = [], []
server_lock, client_lock = Lock(), Lock()

tcp = socket.socket()
tcp.bind(('127.0.0.1', 0))
tcp.listen(5)


def connect(conn):
    while True:
        try:
            data = conn.recv(1024)
            if not data:
                break
            conn.send(data.upper())
            with server_lock:
                served.append(data)
        except ConnectionResetError as e:
            print(e)
            break
    conn.close()


def client(i):
    with socket.socket() as s:
        s.connect(tcp.getsockname())
        for word in 'one', 'two', 'three':
            s.send(('%s %d' % (word, i)).encode())
            data = s.recv(1024)
            with client_lock:
                answers.append(data.decode())


clients = [Thread(target=client, args=(i,)) for i in range(CLIENTS)]
for t in clients:
    t.start()
servers = []
for _ in range(CLIENTS):
    conn, address = tcp.accept()
    servers.append(Thread(target=connect, args=(conn,)))
    servers[-1].start()
for t in clients + servers:
    t.join()
tcp.close()
print(len(served), sorted(answers)[0])
