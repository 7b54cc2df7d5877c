# SPDX-License-Identifier: MIT
"""The suite `micro`: primitives, counted between marks inside the guest. The run is
closed: nothing from outside takes part, time is the count of instructions, and so every
run of a build gives the same figures."""

import re
import time

from ..common import Problem, say
from ..qemu import Guest
from .counter import Counter
from .subjects import BOOT_LIMIT, CLOSED

# Names of the functions in test/bench/guest, as a reader should see them.
NAMES = {
    "enter_nothing": "enter the kernel for nothing",
    "plan_1_nop": "plan of 1 operation",
    "plan_16_nops": "plan of 16 operations",
    "plan_map_unmap": "plan: alloc, map, unmap, free",
    "timer_once": "timer of 100 µs, waited for",
    "clock_read": "clock_gettime",
    "map_unmap": "mmap + munmap of a page",
    "map_touch_unmap": "the same, touched (page fault)",
    "protect": "mprotect of a page",
    "fault_fix": "fault, signal handler, fix, retry",
    "handover": "mutex and condition round trip",
    "futex_round": "futex round trip, two threads",
    "yield": "yield to another thread",
    "pipe_round": "pipe round trip, two threads",
    "thread_create_join": "thread create + join",
    "sleep_short": "nanosleep of 100 µs",
}
# What the nearest thing on Linux is, where the name does not say it.
NEAREST = {"enter_nothing": "getppid()", "timer_once": "timerfd_settime() and read()", "plan_": "linked NOPs by io_uring",
           "raw_": "NOPs by io_uring, the ring written before, no completions"}
DONE = r"^micro: (done|failed.*)"


def nearest(subject, name):
    """A note about Linux's figure."""
    return next((text for start, text in NEAREST.items() if subject == "linux" and name.startswith(start)), "")


def _marks(elf):
    """[(mark's name, address, bytes)] and {primitive: times}."""
    found, times = [], {}
    for name, address in elf.addresses.items():
        parts = re.fullmatch(r"micro_(begin|end)_(\w+)__(\d+)", name)
        if parts:
            found.append((f"{parts[1]}-{parts[2]}", address, elf.at(address, 32)))
            times[parts[2]] = int(parts[3])
    return found, times


def run(subject, marks):
    """{mark: Totals} of one run."""
    with Counter() as counter:
        for mark in marks:
            counter.mark(*mark)
        machine = subject.machine(net="none", icount=True, memory=subject.memory,
                                  extra=[*counter.extra, *CLOSED])
        with Guest(machine) as guest:
            counter.go()
            said = guest.wait_line(DONE, BOOT_LIMIT)
            time.sleep(0.05)
            if not said or said[1] != "done":
                end = "\n".join("    | " + text for text in guest.lines[-12:])
                raise Problem(f"{subject.name}: the primitives did not all run:\n{end}")
            return counter.marks()


def micro(bench, subjects):
    for subject in subjects:
        if not bench.counts:
            continue
        say(f"micro: counting {subject.name} ...")
        marks, times = _marks(subject.micro_elf())
        values = {name: ([], []) for name in NAMES if name in times}
        for _ in range(bench.runs):
            reached = run(subject, marks)
            for name, (norep, all_of) in values.items():
                if f"end-{name}" in reached and f"begin-{name}" in reached:
                    part = reached[f"end-{name}"] - reached[f"begin-{name}"]
                    norep.append(part.norep / times[name])
                    all_of.append(part.insns / times[name])
        for name, (norep, all_of) in values.items():
            if not norep:
                bench.figures.say(f"{subject.name} cannot do: {NAMES[name]}")
            else:
                bench.figures.add("micro", f"{NAMES[name]}: insns -rep", subject.name, "insns", norep, "count",
                                  note=nearest(subject.name, name))
                bench.figures.add("micro", f"{NAMES[name]}: insns", subject.name, "insns", all_of, "count")
