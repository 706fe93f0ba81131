"""mutex_ab_rlock.py - The notes' repair of mutex_ab.py: both names are one RLock, which a thread may take again.

snarl says: "no problems found".
"""
import time
from threading import RLock, Thread

mutexA = mutexB = RLock()


class MyThread(Thread):
    def run(self):
        self.func1()
        self.func2()

    def func1(self):
        mutexA.acquire()
        mutexB.acquire()
        mutexB.release()
        mutexA.release()

    def func2(self):
        mutexB.acquire()
        time.sleep(0.01)
        mutexA.acquire()
        mutexA.release()
        mutexB.release()


threads = [MyThread() for i in range(10)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print('done')
