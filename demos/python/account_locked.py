"""account_locked.py - account.py, repaired: a transfer takes the two locks in one order, by the accounts' names.

Prints 1500. snarl says: "no problems found".
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
    first, second = sorted((source, target), key=lambda account: account.name)
    with first.lock, second.lock:
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
