"""code_timer.py - The teaching notes' login code: a Timer makes a new one every few seconds until the user has typed the right one.

The user is played by the program: he types a wrong code, waits until the code has changed twice, then types the right one.

snarl says: "no problems found". A Timer is a thread that waits for an Event with a time limit.
"""
import random
import time
from threading import Timer


class Code:
    def __init__(self):
        self.made = 0
        self.make_cache()

    def make_cache(self, interval=0.1):
        self.cache = self.make_code()
        self.made += 1
        self.t = Timer(interval, self.make_cache)
        self.t.start()

    def make_code(self, n=4):
        res = ''
        for _ in range(n):
            res += random.choice([str(random.randint(0, 9)), chr(random.randint(65, 90))])
        return res

    def check(self, ask):
        while True:
            inp = ask().strip()
            if inp.upper() == self.cache:
                self.t.cancel()
                print('right')
                break
            print('wrong')


obj = Code()
typed = []


def user():
    if not typed:
        typed.append('no such code')
        return typed[0]
    while obj.made < 3:
        time.sleep(0.01)
    return obj.cache.lower()


obj.check(user)
