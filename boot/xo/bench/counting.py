# SPDX-License-Identifier: MIT
"""Instructions for each unit of work: totals before and after a counted load, less
what the guest does anyway."""

import statistics
import time

from ..common import Problem
from . import load, profile
from .counter import Totals
from .subjects import TRAPS

IDLE_SECONDS = 1.0
LIMIT = 60      # seconds for one counted load
NEAR = 0.01     # of an undisturbed run
EXTRA_SECONDS = 8

# (name of the figure, unit, what of the totals)
PARTS = [
    ("insns -rep", "insns", lambda totals: totals.norep),
    ("insns", "insns", lambda totals: totals.insns),
    ("user -rep", "insns", lambda totals: totals.user_norep),
    ("kernel -rep", "insns", lambda totals: totals.kernel_norep),
    ("crossings", "", lambda totals: totals.syscall),
    ("address-space switches", "", lambda totals: totals.cr3),
    ("MMIO", "", lambda totals: totals.mmio),
    ("port I/O", "", lambda totals: totals.port),
    ("wake-ups from halt", "", lambda totals: totals.hlt),
]


class Idle:
    """What a guest executes a second while nobody asks it for anything."""

    def __init__(self, running, watches):
        self._watches = watches
        start, watched = running.counter.totals(watches.values())
        began = time.monotonic()
        time.sleep(IDLE_SECONDS)
        end, after = running.counter.totals(watches.values())
        self._seconds = time.monotonic() - began
        self._totals = end - start
        self._watched = [b - a for a, b in zip(watched, after)]

    def rate(self, of):
        return of(self._totals) / self._seconds

    def watched_rate(self, index):
        return self._watched[index] / self._seconds


def profiled(running, client, port, options, number, warm=0.3):
    """One counted load by instruction: (executions as profile.difference(), done)."""
    with load.Load(running, client, port, [*options, "-n", number, "-w", warm], LIMIT, gate=True) as client_run:
        client_run.ready()
        time.sleep(0.1)
        before = running.counter.dump()
        client_run.release()
        result = client_run.result()
        return profile.difference(before, running.counter.dump()), result["done"]


def one(running, client, port, options, number, warm=0.3):
    """One counted load: (Totals, executions watched, seconds, result)."""
    watches = running.subject.watches()
    options = [*options, "-n", number, "-w", warm]
    with load.Load(running, client, port, options, LIMIT, gate=True) as client_run:
        client_run.ready()
        time.sleep(0.1)
        before, watched = running.counter.totals(watches.values())
        began = time.monotonic()
        client_run.release()
        result = client_run.result()
        after, watched_after = running.counter.totals(watches.values())
        seconds = time.monotonic() - began
    running.alive()
    if not result["done"]:
        raise Problem(f"{running.subject.name} answered nothing ({' '.join(map(str, options))})")
    return after - before, [b - a for a, b in zip(watched, watched_after)], seconds, result


def more(values, runs, seconds=0.0):
    """Whether another run is needed. What disturbs one adds instructions; so there are `runs`, and more until
    the median is one of the undisturbed: three times as many at most, and none that would take long."""
    if len(values) < runs:
        return True
    return 2 < runs and len(values) < 3 * runs and seconds < EXTRA_SECONDS and (
        statistics.median(values) > (1 + NEAR) * min(values))


def measure(figures, suite, name, running, client, port, options, unit, number, runs=3, scale=1):
    """Figures of one kind of work; `scale` of what the client counts are one unit."""
    watches = running.subject.watches()
    idle = Idle(running, watches)
    parts = list(PARTS)
    if TRAPS not in watches:    # then each of them ends in one of these
        parts.append((TRAPS, "", lambda totals: totals.iret))
    values = {}
    errors, why = 0, ""
    began = time.monotonic()
    while more(values.get(parts[0][0], []), runs, time.monotonic() - began):
        totals, watched, seconds, result = one(running, client, port, options, number)
        done = result["done"] / scale
        errors += result["errors"]
        why = result["trouble"] or why
        for part, _, of in parts:
            values.setdefault(part, []).append(max(0.0, (of(totals) - idle.rate(of) * seconds) / done))
        for index, label in enumerate(watches):
            rate = idle.watched_rate(index)
            values.setdefault(label, []).append(max(0.0, (watched[index] - rate * seconds) / done))
    note = f"{errors} of {number * len(values[parts[0][0]])} were not answered well ({why or 'lost'})" if errors else ""
    units = {part: of_unit for part, of_unit, _ in parts}
    for part, found in values.items():
        figures.add(suite, f"{name}: {part}", running.subject.name,
                    f"{units.get(part) or 'times'}/{unit}", found, "count", note=note)


__all__ = ["Totals", "measure", "one", "profiled"]
