# EXPECT: deadlock:confirmed; hangs
"""Two RLocks and a Lock in a ring of three."""
import threading
from meeting import meet

locks = [threading.RLock(), threading.RLock(), threading.Lock()]


def work(i):
    with locks[i]:  # EXPECT
        meet(3)
        with locks[(i + 1) % 3]:  # EXPECT
            pass


for i in range(3):
    threading.Thread(target=work, args=(i,)).start()
