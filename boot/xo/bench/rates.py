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


def measure(bench, suite, name, running, client, port, options, unit, of):
    """Interleaved runs of one load; figures of rate and latency, and ratios to the last subject."""
    rates = {one.subject.name: [] for one in running}
    latencies = {one.subject.name: {} for one in running}
    curves = {}
    trouble, why = dict.fromkeys(rates, 0), dict.fromkeys(rates, "lost")
    for _ in range(bench.runs):
        for one in running:
            result = load.run(one, client, port, [*options, "-w", WARM], bench.seconds)
            rates[one.subject.name].append(of(result) / result["seconds"])
            for label, at in QUANTILES.items():
                if at in result["latency"]:
                    latencies[one.subject.name].setdefault(label, []).append(result["latency"][at])
            curves[one.subject.name] = result["latency"]
            trouble[one.subject.name] += result["errors"]
            why[one.subject.name] = result["trouble"] or why[one.subject.name]
    for subject, values in rates.items():
        note = f"{trouble[subject]} unanswered or answered badly ({why[subject]})" if trouble[subject] else ""
        extra = {"latency": curves[subject]} if curves[subject] else {}
        bench.figures.add(suite, f"{name}: rate", subject, unit, values, "rate", note=note, extra=extra)
        for label, found in latencies[subject].items():
            bench.figures.add(suite, f"{name}: {label}", subject, "µs", found, "rate")
    ratios(bench, suite, f"{name}: rate", rates)
    say(f"{suite}, {name}: " + ", ".join(f"{subject} {shown(statistics.median(values))} {unit}"
                                          for subject, values in rates.items()))


def ratios(bench, suite, name, rates):
    """Every subject against the last one, pair by pair."""
    *others, last = rates
    for subject in others:
        pairs = [a / b for a, b in zip(rates[subject], rates[last]) if b]
        if not pairs:
            continue
        note = ""
        if len(pairs) < 3:
            note = "fewer than three pairs"
        elif min(pairs) <= 1 <= max(pairs):
            note = "the spread swallows the ratio"
        bench.figures.add(suite, name, f"{subject}/{last}", "ratio", pairs, "rate", note=note)
