# EXPECT: lock-order:possible
"""The same native call from many lines, nested functions, generators, comprehensions: each acquisition has its own place."""
import threading

锁 = threading.Lock()
b = threading.Lock()
first_done = False


class 账户:
    @staticmethod
    def plain(lock):
        lock.acquire()
        lock.release()
        lock.acquire()
        lock.release()
        lock.acquire()  # EXPECT
        return lock

    def deep(self, n):
        if n:
            return self.deep(n - 1)
        return [self.plain(x) for x in (锁,)][0]  # EXPECT


def one():
    global first_done
    for lock in (账户().deep(5) for _ in range(1)):  # EXPECT
        with b:  # EXPECT
            pass
        lock.release()
    first_done = True


def two():
    while not first_done:
        pass
    with b:  # EXPECT
        sorted([2, 1], key=lambda n: 账户().deep(1).release() or n)  # EXPECT


threads = [threading.Thread(target=f) for f in (one, two)]
for t in threads:
    t.start()
for t in threads:
    t.join()
