"""threads.py - The threading module's objects, used as they should be; run by python3.sh under Debian's python3."""
import concurrent.futures
import multiprocessing
import os
import queue
import subprocess
import threading
import time

lock, rlock, condition = threading.Lock(), threading.RLock(), threading.Condition()
items, total = [], 0


def producer(n):
    for i in range(n):
        with condition:
            items.append(i)
            condition.notify()


def consumer(n):
    global total
    for _ in range(n):
        with condition:
            while not items:
                condition.wait()
            items.pop()
        with rlock:
            with rlock, lock:
                total += 1


def work(n):
    return n * n


def main():
    threads = [threading.Thread(target=f, args=(300,)) for f in (producer, consumer) * 3]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print('consumed', total)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        print('pool', sum(pool.map(work, range(100))))
    q = queue.Queue(3)
    t = threading.Thread(target=lambda: [q.put(i) for i in range(50)])
    t.start()
    print('queue', sum(q.get() for _ in range(50)))
    t.join()
    barrier, event, semaphore = threading.Barrier(3), threading.Event(), threading.BoundedSemaphore(2)

    def phases():
        for _ in range(5):
            barrier.wait()
        event.wait()
        with semaphore:
            pass

    threads = [threading.Thread(target=phases) for _ in range(3)]
    for t in threads:
        t.start()
    event.set()
    for t in threads:
        t.join()
    print('lock in time', lock.acquire(timeout=1), lock.acquire(timeout=0.01), lock.acquire(False))
    lock.release()
    timer = threading.Timer(0.01, lambda: print('timer', flush=True))
    timer.start()
    timer.join()
    threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
    print(subprocess.run(['echo', 'subprocess'], capture_output=True).stdout, flush=True)
    with multiprocessing.Pool(2) as pool:
        print('processes', pool.map(work, range(5)), flush=True)
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    print('fork', os.waitpid(pid, 0)[1] >> 8)


if __name__ == '__main__':
    main()
