# SPDX-License-Identifier: MIT
"""The suite `boot`: from nothing to the first answer; sizes; the least memory that serves."""

import functools
import re
import time
from pathlib import Path

from .. import pack
from ..common import ROOT, Problem, say
from . import counting, load, suite_micro
from .parallel import both
from .subjects import Own, Running

REQUEST = ["-c", 1, "-p", "/600"]


def _first_answer(running):
    """The totals at the first 200: those when it was ready, and those of one request."""
    ready, _ = running.counter.totals()
    with load.Load(running, "http", 80, [*REQUEST, "-n", 1], 10, gate=True) as client:
        client.ready()
        before, _ = running.counter.totals()
        client.release()
        if client.result()["done"] != 1:
            raise Problem(f"{running.subject.name} did not answer its first request")
        after, _ = running.counter.totals()
    return ready, after - before


def _count_one(bench, subject):
    """One counted boot: (totals when ready, of the first request, at marks, idle)."""
    with Running(subject, bench.network, counted=True, marks=subject.marks()) as running:
        return *_first_answer(running), running.counter.marks(), counting.Idle(running, {})


def _counts(bench, subject):
    """Instructions to the places that marks name and to the first answer."""
    rows = {}
    for ready, request, marks, idle in both([functools.partial(_count_one, bench, subject)] * bench.runs):
        rows.setdefault("a second of idleness", []).append(idle.rate(lambda totals: totals.norep))
        entry = marks.get("entry")
        for name, totals in marks.items():
            if entry and name != "entry":
                rows.setdefault(f"kernel entry to {name.replace('-', ' ')}", []).append((totals - entry).norep)
        if entry:
            rows.setdefault("kernel entry to first 200", []).append((ready - entry).norep + request.norep)
        rows.setdefault("machine start to first 200", []).append(ready.norep + request.norep)
    for name, values in rows.items():
        bench.figures.add("boot", f"{name}: insns -rep", subject.name, "insns", values, "count")


def closed_run(bench):
    """A run that nothing from outside drives, twice under -icount: the same to the instruction."""
    subject = Own("micro", bench.folder)    # it stays, so that it can be asked
    runs = both([functools.partial(suite_micro.run, subject, subject.marks())] * 2)
    values = [(marks["main-of-bench-micro"] - marks["entry"]).insns for marks in runs]
    note = "" if values[0] == values[1] else "the two runs differ; they should not"
    bench.figures.add("boot", "closed run, kernel entry to main: insns", subject.name, "insns", values,
                      "count", note=note)


def _seconds(bench, subjects):
    """From QEMU's start to the first 200, interleaved."""
    values = {subject.name: [] for subject in subjects}
    for _ in range(bench.runs):
        for subject in subjects:
            with Running(subject, bench.network) as running:
                result = load.run(running, "http", 80, [*REQUEST, "-n", 1], 20)
                if result["done"]:
                    values[subject.name].append(time.monotonic() - running.guest.started)
    for name, found in values.items():
        if found:
            bench.figures.add("boot", "start to first 200", name, "s", found, "rate")


def _serves(subject, network, memory):
    try:
        with Running(subject, network, memory=f"{memory}M", patience=20) as running:
            return load.run(running, "http", 80, [*REQUEST, "-n", 1], 5)["done"] == 1
    except Problem:
        return False


def _least(good, works):
    """The smallest whole number that works, good being one that does."""
    bad = 0
    while good - bad > 1:
        middle = (good + bad) // 2
        if works(middle):
            good = middle
        else:
            bad = middle
    return good


def _memory(bench, subject):
    most = int(re.sub(r"\D", "", subject.memory))
    subject = subject.lean(bench.network, lambda lean: _serves(lean, bench.network, most), _least)
    return _least(most, lambda memory: _serves(subject, bench.network, memory))


def _sizes(bench, subject):
    figures = bench.figures
    if isinstance(subject, Own):
        iso = pack.iso_write(subject.kernel, subject.archive, subject.path.with_suffix(".iso"))
        figures.add("boot", "kernel file", subject.name, "bytes", [len(pack.stripped(subject.kernel))], "count")
        figures.add("boot", "archive", subject.name, "bytes", [subject.archive.stat().st_size], "count")
        figures.add("boot", "bootable image", subject.name, "bytes", [iso.stat().st_size], "count")
        figures.add("boot", "lines of the kernel", subject.name, "lines", [lines(ROOT / "exo")], "count")
    else:
        figures.add("boot", "kernel file", subject.name, "bytes", [subject.kernel.stat().st_size], "count")
        figures.add("boot", "archive", subject.name, "bytes", [subject.archive.stat().st_size], "count")


def lines(folder: Path):
    """Lines of source below a folder, all of them."""
    return sum(len(path.read_bytes().splitlines()) for path in sorted(folder.rglob("*"))
               if path.suffix in (".c", ".h", ".S"))


def boot(bench, subjects):
    subjects = bench.serving("boot", subjects, "tcp", 80)
    for subject in subjects:
        _sizes(bench, subject)
        if bench.counts and not bench.gate:
            say(f"boot: counting {subject.name} ...")
            with bench.trying("boot", subject):
                _counts(bench, subject)
    if bench.counts and any(isinstance(one, Own) for one in subjects):
        closed_run(bench)
    if bench.rates:
        _seconds(bench, subjects)
    if bench.memory:
        say("boot: looking for the least memory in which each serves ...")
        for subject, least in zip(subjects, both(functools.partial(_memory, bench, one) for one in subjects)):
            bench.figures.add("boot", "least memory that serves", subject.name, "MiB", [least], "count")
