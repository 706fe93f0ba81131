# EXPECT: nothing
"""A thread joins the main thread, which tells of its end before it waits for the others."""
import threading

main = threading.current_thread()
threads = [threading.Thread(target=main.join) for _ in range(5)]
for t in threads:
    t.start()
