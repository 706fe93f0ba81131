# EXPECT: nothing
"""Everything of threading and queue that is made of locks, under load, some of it under a lock of the program's own."""
import queue
import threading

q, done = queue.Queue(2), queue.SimpleQueue()
event, barrier, semaphore = threading.Event(), threading.Barrier(4), threading.BoundedSemaphore(2)
one_place, condition = threading.Semaphore(1), threading.Condition(threading.Lock())
lock = threading.RLock()
items = []


def producer():
    for i in range(100):
        q.put(i)
        with lock, condition:
            items.append(i)
            condition.notify()


def consumer():
    for _ in range(100):
        q.get()
        with condition:
            while not items:
                condition.wait(0.5)
            items.pop()
        with lock:
            q.task_done()


def phases():
    for _ in range(10):
        barrier.wait()
        with semaphore:
            with lock:
                pass
        with one_place:
            with lock:
                pass
        with lock:
            if one_place.acquire(blocking=False):
                one_place.release()
    event.wait()
    done.put(1)


threads = [threading.Thread(target=f) for f in [producer, consumer] * 2 + [phases] * 4]
for t in threads:
    t.start()
event.set()
q.join()
for t in threads:
    t.join()
assert sum(done.get() for _ in range(4)) == 4
