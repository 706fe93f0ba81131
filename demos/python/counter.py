"""counter.py - The teaching notes on the GIL: "it protects the interpreter, not your own code" (a hundred threads take one off n).

Every thread reads n, sleeps a tenth of a second and writes back what it read, less one: prints 99 instead of 0 (on a busy machine a little less).

snarl says: "no problems found". What goes wrong is a data race of Python objects, under the interpreter's own lock: nothing a
lock detector could see. counter_locked.py is the repair.
"""
import time
from threading import Thread

n = 100


def work():
    global n
    temp = n
    time.sleep(0.1)
    n = temp - 1


threads = [Thread(target=work) for _ in range(100)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(n)
