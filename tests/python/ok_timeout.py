# EXPECT: lock-order:advice
"""One of the two gives up after a time: advice, no failure."""
import threading

a, b = threading.Lock(), threading.Lock()
first_done = False


def one():
    global first_done
    with a, b:
        pass
    first_done = True


def two():
    while not first_done:
        pass
    with b:
        if a.acquire(timeout=5):
            a.release()


threads = [threading.Thread(target=f) for f in (one, two)]
for t in threads:
    t.start()
for t in threads:
    t.join()
