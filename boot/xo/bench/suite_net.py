# SPDX-License-Identifier: MIT
"""The suites whose work comes from outside: http, udp, stream, redis, flood."""

import statistics

from ..common import Problem, say
from . import counting, load, rates
from .figures import shown
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
REDIS = [
    ("GET, 1", ["-c", 1, "-p", "get"], 4000),
    ("SET, 1", ["-c", 1, "-p", "set"], 4000),
    ("GET, 50", ["-c", 50, "-p", "get"], 8000),
    ("GET, 50, 16 at once", ["-c", 50, "-d", 16, "-p", "get"], 32000),
]
KIB = 1024


def _counted(bench, suite, subjects, client, port, cases, unit, scale=1):
    for subject in subjects:
        say(f"{suite}: counting {subject.name} ...")
        with bench.trying(suite, subject), Running(subject, bench.network, counted=True) as running:
            for name, options, number in cases:
                counting.measure(bench.figures, suite, name, running, client, port, options, unit,
                                 number, bench.runs, scale)


def _profiles(bench, suite, subjects, client, port, case, unit, scale):
    """The load of one case by function, for every subject."""
    name, options, number = case
    for subject in subjects:
        subject = subject.profiled()
        with bench.trying(suite, subject), Running(subject, bench.network, counted=True) as running:
            counts, done = counting.profiled(running, client, port, options, number)
            bench.profile_add(suite, f"{suite.upper()} {unit}, {name}", subject, counts, done / scale, running)


def _suite(bench, suite, subjects, server, client, cases, unit, rate=None, scale=1):
    """Counts, profiles and rates. `server` is (protocol, port);
    `rate` is (unit, what of a result), requests a second without it."""
    subjects = bench.serving(suite, subjects, *server)
    if bench.counts:
        _counted(bench, suite, subjects, client, server[1], cases, unit, scale)
    if bench.profiling:
        _profiles(bench, suite, subjects, client, server[1], cases[0], unit, scale)
    if bench.rates and subjects:
        unit, of = rate or (f"{unit}s/s", lambda result: result["done"])
        with rates.booted(subjects, bench.network) as running:
            for name, options, _ in cases:
                rates.measure(bench, suite, name, running, client, server[1], options, unit, of)


def http(bench, subjects):
    _suite(bench, "http", subjects, ("tcp", 80), "http", HTTP, "request")


def udp(bench, subjects):
    _suite(bench, "udp", subjects, ("udp", 7), "udp", UDP, "echo", ("round trips/s", lambda result: result["done"]))


def stream(bench, subjects):
    _suite(bench, "stream", subjects, ("tcp", 9), "stream", STREAM, "KiB",
           ("Mbit/s", lambda result: result["bytes"] * 8 / 1e6), KIB)


def redis(bench, subjects):
    _suite(bench, "redis", subjects, ("tcp", 6379), "redis", REDIS, "request")


FLOOD = [0.5, 1, 2, 4, 8]


def _capacity(bench, one):
    """What a closed loop of 64 reaches. The warm-up is longer than the client waits for a packet that was
    lost in the first burst."""
    closed = load.run(one, "udp", 7, ["-c", 64, "-w", 1.2], bench.seconds)
    if not closed["done"]:
        raise Problem("it answered nothing in a closed loop, so there is no capacity to take multiples of")
    capacity = closed["done"] / closed["seconds"]
    bench.figures.add("flood", "capacity", one.subject.name, "packets/s", [capacity], "rate")
    return capacity


def _flood_point(bench, running, capacities, times):
    """One multiple of the capacities, interleaved like all rates; each run is half as long as another,
    since there are so many."""
    useful = {name: [] for name in capacities}
    offered = {name: [] for name in capacities}
    for _ in range(bench.runs):
        for one in list(running):
            running.remove(one)     # and back, unless it fails
            name = one.subject.name
            with bench.trying(f"flood at {times:g}x", one.subject):
                result = load.run(one, "udp", 7, ["-r", round(capacities[name] * times)], bench.seconds / 2)
                useful[name].append(result["done"] / result["seconds"])
                offered[name].append(result["offered"] / result["seconds"])
                running.append(one)
    said = []
    for name in filter(useful.get, useful):
        bench.figures.add("flood", f"useful at {times:g}x", name, "packets/s", useful[name], "rate",
                          extra={"offered": statistics.median(offered[name])})
        said.append(f"{name} {shown(statistics.median(useful[name]))} of {shown(statistics.median(offered[name]))}")
    say(f"flood, {times:g} times the capacity: {', '.join(said)} packets/s")


def flood(bench, subjects):
    """Useful against offered rate."""
    subjects = bench.serving("flood", subjects, "udp", 7)
    if not bench.rates or not subjects:
        return
    with rates.booted(subjects, bench.network) as running:
        capacities = {}
        for one in list(running):
            with bench.trying("flood", one.subject):
                capacities[one.subject.name] = _capacity(bench, one)
        alive = [one for one in running if one.subject.name in capacities]
        for times in FLOOD:
            _flood_point(bench, alive, capacities, times)
