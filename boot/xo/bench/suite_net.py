# SPDX-License-Identifier: MIT
"""The suites whose work comes from outside: http, udp, stream, flood."""

import statistics

from ..common import Problem, say
from . import counting, load, rates
from .subjects import Running

# (name, options of the client, counted units, unit of work)
HTTP = [
    ("keep-alive 600 B, 1", ["-c", 1, "-p", "/600"], 4000),
    ("keep-alive 600 B, 16", ["-c", 16, "-p", "/600"], 4000),
    ("keep-alive 600 B, 64", ["-c", 64, "-p", "/600"], 4000),
    ("connection per request, 16", ["-c", 16, "-x", "-p", "/600"], 2000),
    ("keep-alive 1 MiB, 4", ["-c", 4, "-p", "/1m"], 40),
]
UDP = [("echo 64 B, 1", ["-c", 1], 4000), ("echo 64 B, 16", ["-c", 16], 8000)]
STREAM = [("host to guest", ["-p", "s"], 32 << 20), ("guest to host", ["-p", "g"], 32 << 20)]
KIB = 1024


def _counted(bench, suite, subjects, client, port, cases, unit, scale=1):
    for subject in subjects:
        say(f"{suite}: counting {subject.name} ...")
        with bench.trying(suite, subject), Running(subject, bench.network, counted=True) as running:
            for name, options, number in cases:
                counting.measure(bench.figures, suite, name, running, client, port, options, unit,
                                 number, bench.runs, scale)


def _profiles(bench, suite, subjects, client, port, case, unit):
    """The load of one case by function, for every subject."""
    name, options, number = case
    for subject in subjects:
        with bench.trying(suite, subject), Running(subject, bench.network, counted=True) as running:
            counts, done = counting.profiled(running, client, port, options, number)
            bench.profile_add(suite, f"{unit}, {name}", subject, counts, done, running)


def http(bench, subjects):
    subjects = bench.serving("http", subjects, "tcp", 80)
    if bench.counts:
        _counted(bench, "http", subjects, "http", 80, HTTP, "request")
    if bench.profiling:
        _profiles(bench, "http", subjects, "http", 80, HTTP[0], "HTTP request")
    if bench.rates and subjects:
        with rates.booted(subjects, bench.network) as running:
            for name, options, _ in HTTP:
                rates.measure(bench, "http", name, running, "http", 80, options, "requests/s",
                              lambda result: result["done"])


def udp(bench, subjects):
    subjects = bench.serving("udp", subjects, "udp", 7)
    if bench.counts:
        _counted(bench, "udp", subjects, "udp", 7, UDP, "echo")
    if bench.profiling:
        _profiles(bench, "udp", subjects, "udp", 7, UDP[0], "UDP echo")
    if bench.rates and subjects:
        with rates.booted(subjects, bench.network) as running:
            for name, options, _ in UDP:
                rates.measure(bench, "udp", name, running, "udp", 7, options, "round trips/s",
                              lambda result: result["done"])


def stream(bench, subjects):
    subjects = bench.serving("stream", subjects, "tcp", 9)
    if bench.counts:
        _counted(bench, "stream", subjects, "stream", 9, STREAM, "KiB", KIB)
    if bench.rates and subjects:
        with rates.booted(subjects, bench.network) as running:
            for name, options, _ in STREAM:
                rates.measure(bench, "stream", name, running, "stream", 9, options, "Mbit/s",
                              lambda result: result["bytes"] * 8 / 1e6)


FLOOD = [0.5, 1, 2, 4, 8]


def _flood_one(bench, one):
    # The warm-up is longer than the client waits for a packet that was lost in the first burst.
    closed = load.run(one, "udp", 7, ["-c", 64, "-w", 1.2], bench.seconds)
    if not closed["done"]:
        raise Problem("it answered nothing in a closed loop, so there is no capacity to take multiples of")
    capacity = closed["done"] / closed["seconds"]
    bench.figures.add("flood", "capacity", one.subject.name, "packets/s", [capacity], "rate")
    for times in FLOOD:
        offered, useful = [], []
        for _ in range(bench.runs):
            result = load.run(one, "udp", 7, ["-r", round(capacity * times)], bench.seconds)
            offered.append(result["offered"] / result["seconds"])
            useful.append(result["done"] / result["seconds"])
        bench.figures.add("flood", f"useful at {times:g}x", one.subject.name, "packets/s", useful, "rate",
                          extra={"offered": statistics.median(offered)})
    say(f"flood: {one.subject.name} answers {capacity:,.0f} packets/s in a closed loop and "
        f"{statistics.median(useful):,.0f} at {FLOOD[-1]} times that")


def flood(bench, subjects):
    """Useful against offered rate. The capacity is what a closed loop of 64 reaches."""
    for subject in bench.serving("flood", subjects, "udp", 7):
        if bench.rates:
            with bench.trying("flood", subject), Running(subject, bench.network) as running:
                _flood_one(bench, running)
