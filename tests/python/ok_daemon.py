# EXPECT: nothing
"""Daemon threads that still wait for locks, sleep and hold locks when the program ends; a timer that is cancelled."""
import queue
import threading
import time

lock, waiting = threading.Lock(), queue.Queue()


def hold():
    with lock:
        waiting.put(1)
        time.sleep(100)


def wait():
    waiting.put(1)
    lock.acquire()


def idle():
    waiting.put(1)
    threading.Event().wait()


for f in hold, wait, idle:
    threading.Thread(target=f, daemon=True).start()
    waiting.get()
timer = threading.Timer(100, print)
timer.start()
timer.cancel()
timer.join()
