# EXPECT: nothing
"""Locks as signals: taken by one thread, released by the other, under other locks in both orders."""
import threading

ping, pong, other = threading.Lock(), threading.Lock(), threading.Lock()
ping.acquire()
pong.acquire()


def server():
    for _ in range(50):
        ping.acquire()
        with other:
            pass
        pong.release()


def client():
    for _ in range(50):
        ping.release()
        pong.acquire()
    with other:
        ping.release()
        ping.acquire()


# Used as a lock first, handed over afterwards: while it is held by one thread, another one releases it.
baton = threading.Lock()
taken = released = False


def runner():
    global taken
    for _ in range(3):
        baton.acquire()
        with other:
            pass
        baton.release()
    baton.acquire()
    taken = True
    while not released:
        pass


def catcher():
    global released
    while not taken:
        pass
    baton.release()
    released = True
    with other:
        for _ in range(3):
            with baton:
                pass


for pair in (server, client), (runner, catcher):
    threads = [threading.Thread(target=f) for f in pair]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
