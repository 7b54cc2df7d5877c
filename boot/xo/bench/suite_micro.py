# SPDX-License-Identifier: MIT
"""The suite `micro`: primitives, counted between marks inside the guest. The run is
closed: nothing from outside takes part, time is the count of instructions, and so every
run of a build gives the same figures."""

import functools
import re
import time

from ..common import Problem, say
from ..qemu import Guest
from .counter import Counter
from .parallel import both
from .subjects import BOOT_LIMIT, CLOSED

# Names of the functions in test/bench/guest, as a reader should see them.
NAMES = {
    "enter_nothing": "enter the kernel for nothing",
    "raw_1_nop": "plan of 1 NOP, raw",
    "raw_4_nops": "plan of 4 NOPs, raw",
    "raw_16_nops": "plan of 16 NOPs, raw",
    "plan_1_nop": "plan of 1 NOP",
    "plan_4_nops": "plan of 4 NOPs",
    "plan_16_nops": "plan of 16 NOPs",
    "plan_map_unmap": "plan: alloc, map, unmap, free",
    "plan_16_maps": "plan of 16 MAPs",
    "timer_once": "timer of 100 µs, waited for",
    "clock_read": "clock_gettime",
    "map_unmap": "mmap + munmap of a page",
    "map_touch_unmap": "the same, touched (page fault)",
    "protect": "mprotect of a page",
    "touch_small": "first touch of a page of 4 MiB",
    "touch_large": "the same in large pages (of 2 MiB)",
    "fault_fix": "fault, signal handler, fix, retry",
    "handover": "mutex and condition round trip",
    "futex_round": "futex round trip, two threads",
    "yield": "yield to another thread",
    "pipe_round": "pipe round trip, two threads",
    "thread_create_join": "thread create + join",
    "sleep_short": "nanosleep of 100 µs",
    "message_words": "message to a program and back, 3 words",
    "message_call_words": "the same, SEND and RECV in one plan",
    "message_standing": "the same, answered by a standing plan",
    "message_page": "message to a program and back, a page",
    "message_call_page": "the page, SEND and RECV in one plan",
    "program_run": "program made, runs, exits, removed",
    "program_kill": "program made, started, killed",
    "reclaim_given": "1,000 frames taken back, given",
    "reclaim_forced": "1,000 frames taken back by force",
}
# What the nearest thing on Linux is, where the name does not say it.
NEAREST = {"enter_nothing": "getppid()", "timer_once": "timerfd_settime() and read()",
           "plan_16_maps": "16 mmap() of pages of a memfd, MAP_POPULATE", "plan_": "linked NOPs by io_uring",
           "message_words": "24 bytes through a pipe to another process, and back through a second one",
           "message_page": "4,096 bytes through the same pipes: copied four times",
           "program_run": "vfork(), execve() of a static program of nine instructions, waitpid()",
           "program_kill": "the same, and kill() before waitpid()",
           "reclaim_given": "a byte through a pipe, MADV_DONTNEED of 1,000 pages, a byte back",
           "reclaim_forced": "ftruncate() of a memfd that another process has mapped: of its ordinary pages "
                             "Linux can take none without swap",
           "touch_small": "with MADV_NOHUGEPAGE", "touch_large": "with MADV_HUGEPAGE (transparent huge pages)",
           "raw_": "NOPs by io_uring, the ring written before, no completions"}
ENOUGH = 2      # runs, to see that they are the same
DONE = r"^(?:micro|programs): (done|failed.*)|^linux: a program ended|^partner: (.*)"


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


# (what is counted, how) of a primitive
PARTS = [("insns -rep", lambda totals: totals.norep), ("insns", lambda totals: totals.insns),
         ("kernel -rep", lambda totals: totals.kernel_norep), ("user -rep", lambda totals: totals.user_norep)]
EACH = [("operation in a plan of 16, raw", "raw_16_nops", "raw_1_nop"),
        ("operation in a plan of 16", "plan_16_nops", "plan_1_nop")]


def run(subject, marks, profiled=None):
    """{mark: Totals} of one run; what was executed between the marks of each goes to `profiled`."""
    with Counter() as counter:
        for mark in marks:
            counter.mark(*mark)
        machine = subject.machine(net="none", icount=True, memory=subject.memory, extra=list(CLOSED))
        with Guest(counter.attach(machine)) as guest:
            counter.go(keep=profiled is not None)
            said = guest.wait_line(DONE, BOOT_LIMIT)
            time.sleep(0.05)
            if not said or said[1] != "done":
                end = "\n".join("    | " + text for text in guest.lines[-12:])
                raise Problem(f"{subject.name}: the primitives did not all run:\n{end}")
            reached = counter.marks()
            for name in profiled or {}:
                profiled[name] = counter.dump(f"begin-{name}", f"end-{name}")
            return reached


def micro(bench, subjects):
    for subject in subjects:
        if bench.counts:
            say(f"micro: counting {subject.name} ...")
        for part in subject.micro_parts():
            if bench.only_profiles:
                _profiles(bench, part)
            if bench.counts:
                with bench.trying("micro", part):
                    marks, _ = _marks(part.micro_elf())
                    one = functools.partial(run, part, marks)
                    _figures(bench, subject, part, both([one] * min(bench.runs, ENOUGH)))


def _figures(bench, subject, part, runs):
    """Of {mark: Totals} of each run of a part."""
    _, times = _marks(part.micro_elf())
    values = {name: {part: [] for part, _ in PARTS} for name in NAMES if name in times}
    for reached in runs:
        for name, parts in values.items():
            if f"end-{name}" not in reached or f"begin-{name}" not in reached:
                continue
            totals = reached[f"end-{name}"] - reached[f"begin-{name}"]
            for part, of in PARTS:
                parts[part].append(of(totals) / times[name])
    for name, parts in values.items():
        if not parts["insns"]:
            bench.figures.say(f"{subject.name} cannot do: {NAMES[name]}")
            continue
        for part, found in parts.items():
            bench.figures.add("micro", f"{NAMES[name]}: {part}", subject.name, "insns", found, "count",
                              note=nearest(subject.name, name) if part == "insns -rep" else "")
    _each(bench, subject, values)


def _each(bench, subject, values):
    """What one more operation costs: the difference of two plans."""
    for name, long, short in EACH:
        for part, found in values.get(long, {}).items():
            each = [(a - b) / 15 for a, b in zip(found, values[short][part])]
            if each:
                bench.figures.add("micro", f"{name}: {part}", subject.name, "insns", each, "count")


def _profiles(bench, subject):
    """Where the instructions of each primitive go."""
    marks, times = _marks(subject.micro_elf())
    profiled = {name: {} for name in NAMES if name in times}
    run(subject, marks, profiled)
    for name, counts in profiled.items():
        bench.profile_add(f"micro-{name}", NAMES[name], subject, counts, times[name], None)
