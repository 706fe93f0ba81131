# EXPECT: self-deadlock:confirmed; hangs
"""A lock that is no RLock, taken twice; other threads go on."""
import threading
import time

lock = threading.Lock()


def inner():
    with lock:  # EXPECT
        pass


def outer():
    with lock:  # EXPECT
        inner()


threading.Thread(target=outer).start()
while True:
    time.sleep(0.01)
