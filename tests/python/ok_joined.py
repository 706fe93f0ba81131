# EXPECT: nothing
"""Both orders, but the first thread has been joined before the second one starts; and one in the main thread before either."""
import threading

a = threading.Lock()
b = threading.Lock()


def take(first, second):
    with first:
        with second:
            pass


take(b, a)
for order in (a, b), (b, a), (a, b):
    t = threading.Thread(target=take, args=order)
    t.start()
    t.join()
take(b, a)
