# SPDX-License-Identifier: MIT
"""libFuzzer on the plan executor and checker beside the reference (play.c): the same short run each time, and as long
as is asked for with --minutes. What it finds lies in the test's folder; to keep it, put the file into seeds/."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from xo.testing import limit

SEEDS = Path(__file__).parent / "seeds"


@limit(120)
def test_plan(t):
    program = t.folder / "test" / "explore" / "fuzz_plan"
    if not program.exists():
        t.skip("clang's libFuzzer is not installed (./xo doctor)")
    found = t.work / "corpus"
    found.mkdir()
    minutes = float(os.environ.get("XO_MINUTES", "0"))
    how = [f"-max_total_time={minutes * 60:.0f}"] if minutes else ["-runs=6000", "-seed=1"]
    log = t.work / "fuzz.log"
    t.logs.append(log)
    with open(log, "wb") as out:
        status = subprocess.run([str(program), *how, "-max_len=1024", "-timeout=20", "-print_final_stats=1",
                                 f"-artifact_prefix={t.work}/", str(found), str(SEEDS)],
                                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                check=False).returncode
    said = log.read_text(errors="replace")
    shutil.rmtree(found)
    if status:
        t.fail("it found something:\n" + "\n".join(said.splitlines()[-60:]))
    runs = re.search(r"number_of_executed_units: (\d+)", said)
    edges = re.findall(r"cov: (\d+)", said)
    return f"{runs[1]} runs, {edges[-1]} edges"
