# EXPECT: nothing
"""Thread pools, callbacks, a pool within a pool, asyncio in an executor, logging from many threads."""
import asyncio
import concurrent.futures
import logging
import threading

logging.basicConfig(filename='/dev/null', level=logging.INFO)
results, lock = [], threading.Lock()


def work(n):
    logging.info('work %d', n)
    return n * n


def finished(future):
    with lock:
        results.append(future.result())
        logging.info('finished')


def nested(n):
    with concurrent.futures.ThreadPoolExecutor(2) as inner:
        return sum(inner.map(work, range(n)))


async def main():
    loop = asyncio.get_running_loop()
    return await asyncio.gather(*[loop.run_in_executor(None, work, n) for n in range(10)])


with concurrent.futures.ThreadPoolExecutor(4) as pool:
    for n in range(50):
        pool.submit(work, n).add_done_callback(finished)
    assert list(pool.map(nested, range(5))) == [0, 0, 1, 5, 14]
assert len(results) == 50
assert sum(asyncio.run(main())) == 285
