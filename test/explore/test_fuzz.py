# SPDX-License-Identifier: MIT
"""libFuzzer on the plan executor and checker beside the reference (play.c), and on all operations on frames, programs,
channels and queues (rights/): the same short run each time, and as long as is asked for with --minutes. What it finds lies in
the test's folder; to keep it, put the file into seeds/."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from xo.testing import cases, limit

TEST = Path(__file__).parent.parent


def _fuzz(t, program, seeds, runs, length, share):
    """`runs` inputs of at most `length` bytes, or as many as there is time for in its share of what was given."""
    program = t.folder / "test" / program
    if not program.exists():
        t.skip("clang's libFuzzer is not installed (./xo doctor)")
    found = t.work / "corpus"
    found.mkdir()
    minutes = float(os.environ.get("XO_MINUTES", "0")) * share
    how = [f"-max_total_time={minutes * 60:.0f}"] if minutes else [f"-runs={runs}", "-seed=1"]
    log = t.work / "fuzz.log"
    t.logs.append(log)
    with open(log, "wb") as out:
        status = subprocess.run([str(program), *how, f"-max_len={length}", "-timeout=20", "-print_final_stats=1",
                                 f"-artifact_prefix={t.work}/", str(found), str(TEST / seeds)],
                                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                check=False).returncode
    said = log.read_text(errors="replace")
    shutil.rmtree(found)
    if status:
        t.fail("it found something:\n" + "\n".join(said.splitlines()[-60:]))
    runs = re.search(r"number_of_executed_units: (\d+)", said)
    edges = re.findall(r"cov: (\d+)", said)
    return f"{runs[1]} runs, {edges[-1]} edges"


@limit(120)
def test_plan(t):
    return _fuzz(t, "explore/fuzz_plan", "explore/seeds", 6000, 1024, 0.3)


@limit(120)
def test_rights(t):
    return _fuzz(t, "explore/rights/fuzz_rights", "explore/rights/seeds", 2500, 768, 0.3)


@limit(120)
@cases("archive", "boot", "elf", "image", "match")
def test_parser(t, case):
    """What reads bytes from outside (test/parsers/)."""
    return _fuzz(t, f"parsers/fuzz_{case}", f"parsers/seeds/{case}", 8000 if case == "match" else 20000, 6144, 0.08)
