# SPDX-License-Identifier: MIT
"""Two things at once, for what does not depend on how fast it goes: counts of closed runs and of
boots, and what only works or not. Never for rates, nor where packets could arrive together."""

import queue
import threading

WORKERS = 2


def both(jobs):
    """What each of `jobs` returns, in their order; raises what the first of them raised. The workers
    are daemons: who is interrupted meanwhile ends at once, and guests die with the thread that
    started them."""
    jobs = list(jobs)
    waiting, done = queue.SimpleQueue(), queue.SimpleQueue()
    for number, job in enumerate(jobs):
        waiting.put((number, job))

    def work():
        while True:
            try:
                number, job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((number, job(), None))
            except Exception as problem:    # pylint: disable=broad-except
                done.put((number, None, problem))

    for _ in range(WORKERS):
        threading.Thread(target=work, daemon=True).start()
    results = sorted((done.get() for _ in jobs), key=lambda result: result[0])
    for _, _, problem in results:
        if problem:
            raise problem
    return [value for _, value, _ in results]
