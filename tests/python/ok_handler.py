# EXPECT: nothing
"""A service: every thread sleeps until a signal's handler wakes one of them."""
import os
import queue
import signal
import threading

stop, work = threading.Event(), queue.Queue()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
t = threading.Thread(target=work.get)
t.start()
child = os.fork()
if child == 0:
    os.execlp('sh', 'sh', '-c', 'sleep 1; kill -TERM %d' % os.getppid())
stop.wait()
work.put(None)
t.join()
os.waitpid(child, 0)
