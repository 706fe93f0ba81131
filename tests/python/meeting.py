"""meeting.py - Threads meet without a lock that anybody could see: a counter, and a look at it every millisecond."""
import itertools
import time

_count = itertools.count(1)
_rounds = {}


def meet(n):
    """Returns once n calls have been made; of the calls after that, n meet again."""
    me = next(_count)
    _rounds[me] = True
    last = (me + n - 1) // n * n
    while last not in _rounds:
        time.sleep(0.001)
