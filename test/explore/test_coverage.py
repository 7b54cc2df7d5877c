# SPDX-License-Identifier: MIT
"""How much of the kernel's logic without hardware the host's tests go through: programs built with gcc's counters are run,
and what gcov says about a source in any of them is put together."""

import json
import subprocess

from xo.testing import limit

# Parts of the kernel: the sources, and how many of a hundred branches must be taken.
PARTS = {
    "plan": (["plan_check.c", "plan_door.c", "plan_run.c", "plan_end.c", "plan_pool.c", "timer.c"], 95),
}

# Meson's targets, with what they are given. Each is a short run.
PROGRAMS = [
    ("test/unit/coverage_plan", []),
    ("test/explore/coverage_explore", ["--rounds", "2"]),
    ("test/explore/coverage_form", []),
    ("test/explore/coverage_seeds", ["8000"]),
]


def counted(t, program):
    """gcov's files for a program that has run: {name: {(line, branch): count}}, branch -1 being the line itself."""
    objects = (t.folder / program).with_name(program.rsplit("/", 1)[1] + ".p")
    counters = sorted(str(path) for path in objects.rglob("*.gcda"))
    said = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", *counters], cwd=t.folder,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    files = {}
    for text in said.splitlines():
        for file in json.loads(text)["files"]:
            if "/exo/" not in file["file"] or not file["file"].endswith(".c"):
                continue
            counts = files.setdefault(file["file"].rsplit("/exo/", 1)[1], {})
            for line in file["lines"]:
                here = [(-1, line["count"]), *enumerate(branch["count"] for branch in line["branches"])]
                for branch, count in here:
                    key = line["line_number"], branch
                    counts[key] = counts.get(key, 0) + count
    return files


def share(counts):
    return 100 * sum(1 for count in counts if count) / len(counts)


@limit(300)
def test_branches(t):
    targets = [program for program, _ in PROGRAMS]
    t.run("ninja", "-C", t.folder, *targets, timeout=200)
    files = {}
    for program, words in PROGRAMS:
        for old in (t.folder / program).with_name(program.rsplit("/", 1)[1] + ".p").rglob("*.gcda"):
            old.unlink()
        t.run(t.folder / program, *words, timeout=200)
        for name, counts in counted(t, program).items():
            together = files.setdefault(name, {})
            for key, count in counts.items():
                together[key] = together.get(key, 0) + count
    said = []
    for part, (names, least) in PARTS.items():
        lines = [count for name in names for (_, branch), count in files[name].items() if branch < 0]
        branches = [count for name in names for (_, branch), count in files[name].items() if branch >= 0]
        said.append(f"{part}: lines {share(lines):.1f} %, branches {share(branches):.1f} %")
        missed = [f"{name}:{line} branch {branch}" for name in names
                  for (line, branch), count in sorted(files[name].items()) if branch >= 0 and not count]
        (t.work / f"missed-{part}.txt").write_text("\n".join(missed) + "\n")
        if share(branches) < least:
            t.fail(f"{said[-1]}, of which {least} % must be; not taken:\n" + "\n".join(missed[:60]))
    return "; ".join(said)
