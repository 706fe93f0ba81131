"""pool.py - The teaching notes on concurrent.futures: a pool of threads, results collected after shutdown, and a callback for each.

In place of the web pages the notes fetch, the work is a square.

snarl says: "no problems found", though a pool is a queue, a semaphore, conditions and locks.
"""
from concurrent.futures import ThreadPoolExecutor
from threading import current_thread

parsed = []


def work(n):
    assert current_thread().name.startswith('ThreadPoolExecutor')
    return n ** 2


def parse(future):
    parsed.append(future.result())


p = ThreadPoolExecutor()
objs = [p.submit(work, i) for i in range(10)]
for i in range(10):
    p.submit(work, i).add_done_callback(parse)
p.shutdown()
print(sum(obj.result() for obj in objs), sum(parsed))
