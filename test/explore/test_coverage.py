# SPDX-License-Identifier: MIT
"""How much of the kernel's logic without hardware the host's tests go through: unit tests, explorers and what fuzzers found,
built with gcc's counters, are run, and what gcov says about a source in any of them is put together."""

import json
import os
import subprocess
from pathlib import Path

from xo.testing import limit

EXO = Path(__file__).parent.parent.parent / "exo"
LEAST = 95       # of a hundred lines of each part, and of a hundred lines and branches of all
LEAST_PART = 95  # of a hundred branches of each part

# Parts of the kernel, by source.
PARTS = {
    "plan": ["plan_check.c", "plan_door.c", "plan_run.c", "plan_end.c", "plan_pool.c", "timer.c"],
    "memory": ["buffer.c", "flush.c", "frame.c", "ops_memory.c", "reclaim.c", "space.c"],
    "programs": ["crossing.c", "env.c", "first.c", "handle.c", "kill.c", "ops_env.c", "ops_info.c", "ops_misc.c", "sched.c"],
    "channels": ["channel.c"],
    "network": ["drivers/virtq.c", "net/match.c", "net/nic.c", "net/ops_queue.c", "net/ops_receive.c", "net/ops_send.c",
                "net/queue.c", "net/segment.c"],
    "boot": ["arch/acpi.c", "arch/multiboot2.c", "arch/pvh.c", "arch/ranges.c", "image.c"],
}

# What is not counted, and why. Most is instructions, registers and memory of a machine, and guests test it.
NOT_COUNTED = {
    "ops.c": "a table: nothing in it runs",
    "main.c": "calls what brings the machine up, once, in order",
    "arch/apic.c": "the timer and interrupts of the local APIC",
    "arch/boot.c": "puts together what firmware and loader left in memory",
    "arch/clock.c": "the TSC, measured against the PIT",
    "arch/console.c": "the screen and lines of the serial port",
    "arch/cpu.c": "control registers, MSRs, CPUID",
    "arch/paging.c": "CR3, INVLPG and the kernel's own tables",
    "arch/panic.c": "the stack it runs on, and the end of the machine",
    "arch/pci.c": "ports and ECAM",
    "arch/resume.c": "IRETQ, SYSRET, vector registers",
    "arch/rtc.c": "ports of the clock",
    "arch/segments.c": "GDT, IDT, TSS",
    "arch/serial.c": "ports of the UART",
    "arch/string.c": "the host has its own memcpy",
    "arch/trap.c": "where interrupts and faults arrive",
    "arch/vector.c": "XSAVE and XRSTOR",
    "drivers/virtio.c": "a device's registers",
    "drivers/virtio_net.c": "a device's registers and queues",
}

def _seeds(folder):
    return sorted(str(path) for path in (Path(__file__).parent.parent / folder).iterdir())


# Meson's targets, with what they are given. Each is a short run.
UNIT = ["boot", "channel", "first", "flush", "frame", "hostile", "large", "image", "life", "match", "net", "plan", "programs", "reclaim",
        "refused", "space", "virtq"]
PROGRAMS = [
    *((f"test/unit/coverage_{name}", []) for name in UNIT),
    ("test/unit/coverage_random", []),
    ("test/explore/rights/coverage_rights", ["100", *_seeds("explore/rights/seeds")]),
    *((f"test/parsers/coverage_fuzz_{name}", _seeds(f"parsers/seeds/{name}")) for name in ["boot", "image", "match"]),
    ("test/explore/coverage_explore", ["--rounds", "2"]),
    ("test/explore/coverage_form", []),
    ("test/explore/coverage_seeds", ["8000"]),
]
LIBRARY = "test/unit/libcoverage_kernel.a"


def objects(t, target):
    return (t.folder / target).with_name(target.rsplit("/", 1)[1] + ".p")


def counted(t, target):
    """gcov's files for what has run: {name: {(line, branch): count}}, branch -1 being the line itself. An assertion has no
    branches here: one of them is never to be taken."""
    counters = sorted(str(path) for path in objects(t, target).rglob("*.gcda"))
    said = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", *counters], cwd=t.folder,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    files = {}
    for text in said.splitlines():
        for file in json.loads(text)["files"]:
            if "/exo/" not in file["file"] or not file["file"].endswith(".c"):
                continue
            name = file["file"].rsplit("/exo/", 1)[1]
            counts, text_of = files.setdefault(name, {}), (EXO / name).read_text().splitlines()
            for line in file["lines"]:
                asserts = "ASSERT(" in text_of[line["line_number"] - 1]
                branches = [] if asserts else line["branches"]
                here = [(-1, line["count"]), *enumerate(branch["count"] for branch in branches)]
                for branch, count in here:
                    key = line["line_number"], branch
                    counts[key] = counts.get(key, 0) + count
    return files


def share(counts):
    return 100 * sum(1 for count in counts if count) / max(1, len(counts))


def of_part(files, names):
    lines = [count for name in names for (_, branch), count in files[name].items() if branch < 0]
    branches = [count for name in names for (_, branch), count in files[name].items() if branch >= 0]
    return share(lines), share(branches)


def test_parts(t):
    """Every source of the kernel is in one part, or says why not."""
    sources = sorted(str(path.relative_to(EXO)) for path in EXO.rglob("*.c"))
    t.equal(sources, sorted([name for names in PARTS.values() for name in names] + list(NOT_COUNTED)))


@limit(300)
def test_branches(t):
    t.run("ninja", "-C", t.folder, *[program for program, _ in PROGRAMS], timeout=200)
    for target in [program for program, _ in PROGRAMS] + [LIBRARY]:
        for old in objects(t, target).rglob("*.gcda"):
            old.unlink()
    for program, words in PROGRAMS:
        few = {"SEED": "3"} if program.endswith("random") else {}
        subprocess.run([t.folder / program, *words], cwd=t.work, env=os.environ | few, check=True, timeout=200,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    files = {}
    for target in [program for program, _ in PROGRAMS] + [LIBRARY]:
        for name, counts in counted(t, target).items():
            together = files.setdefault(name, {})
            for key, count in counts.items():
                together[key] = together.get(key, 0) + count
    said, short = [], []
    for part, names in PARTS.items():
        lines, branches = of_part(files, names)
        said.append(f"{part}: lines {lines:.1f} %, branches {branches:.1f} %")
        missed = [f"{name}:{line}" + (f" branch {branch}" if branch >= 0 else "") for name in names
                  for (line, branch), count in sorted(files[name].items()) if not count]
        report = ["{}: lines {:.1f} %, branches {:.1f} %".format(name, *of_part(files, [name])) for name in names]
        (t.work / f"missed-{part}.txt").write_text("\n".join(report + missed) + "\n")
        if lines < LEAST or branches < LEAST_PART:
            short += [f"{said[-1]}, of which {LEAST} % and {LEAST_PART} % must be; not taken:", *report, *missed[:40]]
    lines, branches = of_part(files, [name for names in PARTS.values() for name in names])
    said.insert(0, f"all: lines {lines:.1f} %, branches {branches:.1f} %")
    if lines < LEAST or branches < LEAST:
        short.insert(0, f"{said[0]}, of which {LEAST} % must be")
    if short:
        t.fail("\n".join(short))
    return "; ".join(said)
