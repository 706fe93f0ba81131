"""account.py - The teaching notes on shared data: one thread saves, another one draws, each under the account's lock.

Prints 1500. A transfer between two accounts is added at the end, which takes the lock of the source, then that of the target:
the balances come out right, and two transfers in opposite directions were only by luck not made at the same moment.

snarl says: lock-order, at the lines marked below. account_locked.py is the repair.
"""
import threading
import time


class Account:
    def __init__(self, balance, name):
        self.balance = balance
        self.name = name
        self.lock = threading.Lock()

    def save(self, num):
        with self.lock:
            old_balance = self.balance
            time.sleep(0.05)
            self.balance = old_balance + num

    def draw(self, num):
        with self.lock:
            old_balance = self.balance
            time.sleep(0.05)
            self.balance = old_balance - num


def transfer(source, target, num):
    with source.lock:  # EXPECT lock-order
        with target.lock:  # EXPECT lock-order
            source.balance -= num
            target.balance += num


def transfer_late(source, target, num):
    time.sleep(0.1)
    transfer(source, target, num)


mine, yours = Account(1000, 'mine'), Account(0, 'yours')
pairs = [[threading.Thread(target=mine.save, args=(1000,)), threading.Thread(target=mine.draw, args=(500,))],
         [threading.Thread(target=transfer, args=(mine, yours, 100)),
          threading.Thread(target=transfer_late, args=(yours, mine, 100))]]
for pair in pairs:
    for t in pair:
        t.start()
    for t in pair:
        t.join()
print(mine.balance)
