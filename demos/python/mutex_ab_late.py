"""mutex_ab_late.py - mutex_ab.py on a lucky day: two threads, and func2 comes so late that nothing hangs.

snarl says: lock-order. It will hang on another day.
"""
import time
from threading import Lock, Thread

mutexA = Lock()
mutexB = Lock()


def func1():
    with mutexA:  # EXPECT lock-order
        with mutexB:  # EXPECT lock-order
            print('func1 has both')


def func2():
    time.sleep(0.2)
    with mutexB:  # EXPECT lock-order
        with mutexA:  # EXPECT lock-order
            print('func2 has both')


threads = [Thread(target=func1), Thread(target=func2)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print('done')
