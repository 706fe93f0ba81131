# EXPECT: deadlock:confirmed; hangs
"""Two locks in both orders, at once, the first time they are ever taken."""
import threading
from meeting import meet

a = threading.Lock()
b = threading.Lock()


def one():
    a.acquire()  # EXPECT
    meet(2)
    b.acquire()  # EXPECT


def two():
    b.acquire()  # EXPECT
    meet(2)
    a.acquire()  # EXPECT


threads = [threading.Thread(target=one), threading.Thread(target=two)]
for t in threads:
    t.start()
for t in threads:
    t.join()
