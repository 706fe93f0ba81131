# EXPECT: nothing
"""The second lock is only tried, in every way there is to say so; and an inversion that a third lock guards."""
import threading

a, b, guard = threading.Lock(), threading.Lock(), threading.RLock()
turn = 0


def tried(lock):
    for _ in range(3):
        for got in lock.acquire(False), lock.acquire(blocking=False), lock.acquire(0), lock.acquire(True, 0):
            if got:
                lock.release()


def guarded(first, second):
    for _ in range(3):
        with guard, first, second:
            pass


def one():
    global turn
    for _ in range(3):
        with a, b:
            pass
    guarded(a, b)
    turn = 1


def two():
    while turn < 1:
        pass
    with b:
        tried(a)
        assert not b.acquire(False)


def three():
    while turn < 1:
        pass
    guarded(b, a)


c = threading.Thread(target=three)
threads = [threading.Thread(target=f) for f in (one, two)]
for t in threads:
    t.start()
for t in threads:
    t.join()
