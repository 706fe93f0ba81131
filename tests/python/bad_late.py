# EXPECT: lock-order:possible
"""Both orders, by luck one after the other."""
import threading

a = threading.Lock()
b = threading.Lock()
first_done = False


def one():
    global first_done
    with a:  # EXPECT
        b.acquire()  # EXPECT
        b.release()
    first_done = True


def two():
    while not first_done:
        pass
    b.acquire()  # EXPECT
    try:
        with a:  # EXPECT
            pass
    finally:
        b.release()


threads = [threading.Thread(target=one), threading.Thread(target=two)]
for t in threads:
    t.start()
for t in threads:
    t.join()
