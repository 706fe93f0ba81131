# EXPECT: deadlock:confirmed; hangs
"""Joining a thread that needs the lock one holds."""
import threading

lock = threading.Lock()
held = False


def work():
    while not held:
        pass
    with lock:  # EXPECT
        pass


t = threading.Thread(target=work)
t.start()
with lock:  # EXPECT
    held = True
    t.join()  # EXPECT
