"""daemon.py - The teaching notes on daemon threads: they are cut off when the main thread and all others have ended.

One of them sleeps then, one waits for a lock that the third one holds.

snarl says: "no problems found": they wait, but nobody waits for them.
"""
import time
from threading import Lock, Thread

lock = Lock()


def hold():
    with lock:
        time.sleep(100)


def wait():
    lock.acquire()


def work(name):
    print('%s is running' % name)
    time.sleep(0.1)
    print('%s is done' % name)


for target in hold, wait:
    t = Thread(target=target)
    t.daemon = True
    t.start()
Thread(target=work, args=('egon',)).start()
print('main')
