# EXPECT: deadlock:confirmed; hangs
"""The same by with statements, while the main thread goes on."""
import threading
import time
from meeting import meet


class Account:
    def __init__(self, balance):
        self.balance = balance
        self.lock = threading.Lock()


def transfer(source, target, amount):
    with source.lock:  # EXPECT
        meet(2)
        with target.lock:  # EXPECT
            source.balance -= amount
            target.balance += amount


x, y = Account(1), Account(2)
threading.Thread(target=transfer, args=(x, y, 1)).start()
threading.Thread(target=transfer, args=(y, x, 1)).start()
while True:
    time.sleep(0.01)
