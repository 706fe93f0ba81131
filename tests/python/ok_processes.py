# EXPECT: nothing
"""Forks with locks held, multiprocessing's locks (named semaphores), queues and pools, subprocesses."""
import multiprocessing
import os
import subprocess
import threading

lock, other = threading.Lock(), threading.RLock()


def work(shared, out, n):
    for _ in range(n):
        with shared:
            pass
    out.put(n)


def square(n):
    return n * n


def main():
    ctx = multiprocessing.get_context('fork')
    shared, out = ctx.Lock(), ctx.Queue()
    processes = [ctx.Process(target=work, args=(shared, out, n)) for n in range(4)]
    for p in processes:
        p.start()
    assert sum(out.get() for _ in processes) == 6
    for p in processes:
        p.join()
    with ctx.Pool(2) as pool:
        assert pool.map(square, range(4)) == [0, 1, 4, 9]
    with lock:
        t = threading.Thread(target=lambda: other.acquire() and other.release())
        t.start()
        pid = os.fork()
        if pid == 0:
            lock.release()
            with lock, other:
                os._exit(3)
        t.join()
    assert os.waitpid(pid, 0)[1] >> 8 == 3
    assert subprocess.run(['true'], check=False).returncode == 0


if __name__ == '__main__':
    main()
