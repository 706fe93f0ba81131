"""mutex_ab.py - The teaching notes on deadlock: ten threads, func1 takes mutexA then mutexB, func2 takes mutexB then mutexA.

The first thread is through with func1 and has mutexB; the second one has mutexA: both wait for ever.

snarl says: deadlock, within a second of the hang, and ends the program.
"""
import time
from threading import Lock, Thread

mutexA = Lock()
mutexB = Lock()


class MyThread(Thread):
    def run(self):
        self.func1()
        self.func2()

    def func1(self):
        mutexA.acquire()  # EXPECT deadlock
        print('%s has A' % self.name)
        mutexB.acquire()  # EXPECT deadlock
        print('%s has B' % self.name)
        mutexB.release()
        mutexA.release()

    def func2(self):
        mutexB.acquire()  # EXPECT deadlock
        print('%s has B' % self.name)
        time.sleep(0.1)
        mutexA.acquire()  # EXPECT deadlock
        print('%s has A' % self.name)
        mutexA.release()
        mutexB.release()


for i in range(10):
    MyThread().start()
