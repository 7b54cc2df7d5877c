# SPDX-License-Identifier: MIT
"""./xo bench as a person uses it: that it leaves nothing behind however it ends, and what it
writes."""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from xo.bench import host
from xo.common import ROOT
from xo.testing import cases, limit

RECORD = {"suite": str, "name": str, "subject": str, "unit": str, "n": int, "values": list, "kind": str}


class Run:
    """A running ./xo bench whose processes can be told by their environment, and whose temporary
    files lie in a folder of their own."""

    def __init__(self, t, *words):
        self.t = t
        self.mark = f"XO_TEST_RUN={os.getpid()}-{time.monotonic_ns()}"
        self.temporary = t.work / "temporary"
        self.temporary.mkdir()
        self.said = t.work / "output"
        name, _, value = self.mark.partition("=")
        with open(self.said, "wb") as out:
            self.process = subprocess.Popen(
                [str(ROOT / "xo"), "bench", *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
                env=dict(os.environ, XO_BUILD=str(t.folder), TMPDIR=str(self.temporary), **{name: value}))

    def processes(self):
        """{process id: command} of all that this run started and that still lives."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def wait_for(self, words, timeout=30):
        """Until processes with all of these words in their commands run."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            commands = self.processes().values()
            if all(any(word in command for command in commands) for word in words):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.t.fail(f"there were never processes {words}; it said:\n{self.said.read_text()}")

    def end(self):
        """What must be gone is gone."""
        deadline = time.monotonic() + 5
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        left = self.processes()
        for number in left:
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
        self.t.equal(left, {}, "processes left")
        self.t.equal(sorted(path.name for path in self.temporary.iterdir()), [], "temporary files left")


def _interfaces():
    return sorted(os.listdir("/sys/class/net"))


@limit(60)
@cases("udp SIGINT", "udp SIGTERM", "udp SIGKILL", "micro SIGINT", "micro SIGKILL")
def test_an_end_leaves_nothing(t, case):
    """While it counts: a guest, the plugin's socket, a client, with root a tap; two guests from
    threads of their own."""
    suite, name = case.split()
    before = _interfaces()
    host.client("udp")      # a compiler that is interrupted leaves its own files
    run = Run(t, suite, "--runs", "50", "--only", "counts")
    try:
        run.wait_for(["qemu-system"] if suite == "micro" else ["qemu-system", "/bench/udp-"])
        os.kill(run.process.pid, getattr(signal, name))
        status = run.process.wait(10)
    finally:
        run.process.kill()
        run.process.wait()
        run.end()
    t.equal(status, -signal.SIGKILL if name == "SIGKILL" else 130, "the exit status")
    t.equal(_interfaces(), before, "network interfaces")


@limit(60)
def test_json_lines(t):
    """One object a line, and nothing else in the file; a failure is not hidden by the exit status."""
    path = t.work / "figures.jsonl"
    run = Run(t, "micro", "--runs", "2", "--json", str(path))
    t.equal(run.process.wait(50), 0, "the exit status")
    run.end()
    lines = path.read_text(encoding="utf-8").splitlines()
    t.check(len(lines) > 20, f"only {len(lines)} figures")
    for line in lines:
        record = json.loads(line)
        for name, kind in RECORD.items():
            t.check(isinstance(record.get(name), kind), f"{name} is missing or no {kind.__name__}: {line}")
        values = record["values"]
        t.equal((record["n"], record["min"], record["max"]), (len(values), min(values), max(values)), line)
        t.check(record["min"] <= record["median"] <= record["max"], line)
        t.check(record["kind"] in ("count", "rate"), line)
    t.equal(len({(r["suite"], r["name"], r["subject"]) for r in map(json.loads, lines)}), len(lines), "figures twice")
