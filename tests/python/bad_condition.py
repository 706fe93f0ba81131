# EXPECT: lock-order:possible
"""A condition's lock and an RLock, in both orders; the main thread is one of the two."""
import threading

condition = threading.Condition()
rlock = threading.RLock()
first_done = False


def one():
    global first_done
    with rlock:  # EXPECT
        with rlock:
            with condition:  # EXPECT
                condition.notify_all()
    first_done = True


t = threading.Thread(target=one)
t.start()
while not first_done:
    pass
with condition:  # EXPECT
    rlock.acquire()  # EXPECT
    rlock.release()
t.join()
