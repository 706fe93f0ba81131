"""counter_locked.py - counter.py with the lock of the notes, and a shorter sleep: prints 0.

snarl says: "no problems found".
"""
import time
from threading import Lock, Thread

n = 100
lock = Lock()


def work():
    global n
    lock.acquire()
    temp = n
    time.sleep(0.001)
    n = temp - 1
    lock.release()


threads = [Thread(target=work) for _ in range(100)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(n)
