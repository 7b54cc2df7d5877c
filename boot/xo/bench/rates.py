# SPDX-License-Identifier: MIT
"""Rates: only interleaved (A B A B), and compared only pair by pair. All subjects are
booted once and stay; one of them is loaded at a time."""

import contextlib
import statistics

from ..common import say
from . import load
from .figures import shown
from .subjects import Running

WARM = 0.3
QUANTILES = {"p50": "0.5", "p99": "0.99", "p99.9": "0.999"}


@contextlib.contextmanager
def booted(subjects, network):
    """All of them running, none counted."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Running(subject, network)) for subject in subjects]


class Samples:
    """What the runs of one load on one subject gave."""

    def __init__(self):
        self.rates, self.latencies, self.curve = [], {}, {}
        self.errors, self.why = 0, "lost"

    def take(self, result, of):
        self.rates.append(of(result) / result["seconds"])
        for label, at in QUANTILES.items():
            if at in result["latency"]:
                self.latencies.setdefault(label, []).append(result["latency"][at])
        self.curve = result["latency"]
        self.errors += result["errors"]
        self.why = result["trouble"] or self.why

    def figures(self, figures, suite, name, subject, unit):
        note = f"{self.errors} unanswered or answered badly ({self.why})" if self.errors else ""
        extra = {"latency": self.curve} if self.curve else {}
        figures.add(suite, f"{name}: rate", subject, unit, self.rates, "rate", note=note, extra=extra)
        for label, found in self.latencies.items():
            figures.add(suite, f"{name}: {label}", subject, "µs", found, "rate")


def measure(bench, suite, name, running, client, port, options, unit, of):
    """Interleaved runs of one load; figures of rate and latency, and ratios to the last subject."""
    samples = {one.subject.name: Samples() for one in running}
    alive = list(running)
    for _ in range(bench.runs):
        for one in list(alive):
            alive.remove(one)       # and back, unless it fails
            with bench.trying(f"{suite}, {name}", one.subject):
                samples[one.subject.name].take(
                    load.run(one, client, port, [*options, "-w", WARM], bench.seconds), of)
                alive.append(one)
    running[:] = alive
    samples = {subject: found for subject, found in samples.items() if found.rates}
    for subject, found in samples.items():
        found.figures(bench.figures, suite, name, subject, unit)
    if len(samples) > 1:
        ratios(bench, suite, f"{name}: rate", {subject: found.rates for subject, found in samples.items()})
    say(f"{suite}, {name}: " + ", ".join(f"{subject} {shown(statistics.median(found.rates))} {unit}"
                                          for subject, found in samples.items()))


def ratios(bench, suite, name, rates):
    """Every subject against Linux, or else against the last one, pair by pair."""
    last = "linux" if "linux" in rates else list(rates)[-1]
    for subject in [one for one in rates if one != last]:
        pairs = [a / b for a, b in zip(rates[subject], rates[last]) if b]
        if not pairs:
            continue
        note = ""
        if len(pairs) < 3:
            note = "fewer than three pairs"
        elif min(pairs) <= 1 <= max(pairs):
            note = "the spread swallows the ratio"
        bench.figures.add(suite, name, f"{subject}/{last}", "ratio", pairs, "rate", note=note)
