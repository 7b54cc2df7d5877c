# SPDX-License-Identifier: MIT
"""./xo test: finds the tests, runs them one by one within their time, and ends in
one line that is the truth: `N passed, N failed` (`, N skipped`).

Two kinds: unit tests, which meson knows (native programs with sanitizers), and
tests in Python, functions test_*(t) in test/**/test_*.py; see testing.py."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from . import accel, build, setup, testing
from .common import ROOT, Problem, bold, green, red, say, shown, yellow

DEFAULT_LIMIT = 60


@dataclass
class Entry:
    name: str                    # SUITE/MODULE/TEST
    limit: float
    call: Callable               # of a testing.Test
    source: Path = None


# --- finding -----------------------------------------------------------------

def unit_entries(folder, minutes):
    """The native tests that meson knows. Those that can go on for any time read XO_MINUTES."""
    said = subprocess.run(["meson", "introspect", "--tests", str(folder)], stdout=subprocess.PIPE,
                          text=True, check=True).stdout
    for test in json.loads(said):
        limit = (test["timeout"] or DEFAULT_LIMIT) + minutes * 60

        def call(t, test=test, limit=limit):
            log = t.work / "output.log"
            t.logs.append(log)
            environment = dict(os.environ, **test["env"])
            with open(log, "wb") as out:
                try:
                    status = subprocess.run(test["cmd"], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, env=environment, check=False,
                                            cwd=test["workdir"] or folder,
                                            timeout=limit).returncode
                except subprocess.TimeoutExpired:
                    raise testing.Failure(f"did not end within {limit:g} s") from None
            said = log.read_text(errors="replace")
            if status == 77:
                raise testing.Skip(said.strip().splitlines()[-1] if said.strip() else "it said so")
            if status:
                tail = "\n".join("    | " + line for line in said.splitlines()[-30:])
                raise testing.Failure(f"exit status {status}\n{tail}")
            checks = re.search(r"Checks: (\d+)", said)
            figures = re.search(r"^figures: (.*)", said, re.MULTILINE)
            return f"{checks[1]} checks" if checks else figures[1] if figures else None
        yield Entry(f"unit/{test['name']}", (test["timeout"] or DEFAULT_LIMIT) + 5, call)


def python_entries():
    for path in sorted((ROOT / "test").rglob("test_*.py")):
        parts = path.relative_to(ROOT / "test").with_suffix("").parts
        prefix = "/".join([*parts[:-1], parts[-1].removeprefix("test_")])
        specification = importlib.util.spec_from_file_location("tests." + ".".join(parts), path)
        module = importlib.util.module_from_spec(specification)
        try:
            specification.loader.exec_module(module)
        except Exception:  # noqa: BLE001 - a broken test file is a failed test, not a crash of the runner
            trouble = traceback.format_exc()

            def call(t, trouble=trouble):
                raise testing.Failure(trouble)
            yield Entry(f"{prefix}/load", DEFAULT_LIMIT, call, path)
            continue
        for name, function in vars(module).items():
            if not name.startswith("test_") or not callable(function):
                continue
            if getattr(function, "__module__", None) != module.__name__:
                continue
            short = f"{prefix}/{name.removeprefix('test_')}"
            seconds = getattr(function, "limit", DEFAULT_LIMIT)
            if hasattr(function, "cases"):
                for case in function.cases:
                    label = case if isinstance(case, str) else str(case[0])
                    yield Entry(f"{short}[{label}]", seconds,
                                lambda t, function=function, case=case: function(t, case), path)
            else:
                yield Entry(short, seconds, function, path)


def wanted(entry, suite, pattern):
    if suite and suite.rstrip("/") not in entry.name.split("/")[:-1]:
        return False
    return not pattern or re.search(pattern, entry.name)


# --- running -----------------------------------------------------------------

class Score:
    def __init__(self):
        self.passed, self.failed, self.skipped = [], [], []

    def line(self):
        text = f"{len(self.passed)} passed, {len(self.failed)} failed"
        return text + (f", {len(self.skipped)} skipped" if self.skipped else "")


def _alarm(number, frame):
    raise testing.TimeLimit


def run_entry(entry, folder, accelerator, score):
    t = testing.Test(entry.name, folder, accelerator, entry.source)
    started = time.monotonic()
    old = signal.signal(signal.SIGALRM, _alarm)
    signal.setitimer(signal.ITIMER_REAL, entry.limit)
    note, result, where, detail = None, score.passed, "ok  ", None
    try:
        try:
            note = entry.call(t)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except testing.Skip as skip:
        result, where, note = score.skipped, "skip", str(skip)
    except testing.TimeLimit:
        result, where, detail = score.failed, "FAIL", f"took longer than its limit of {entry.limit:g} s"
    except (testing.Failure, Problem) as failure:
        result, where, detail = score.failed, "FAIL", str(failure)
    except Exception:  # noqa: BLE001 - whatever a test raises is its failure
        result, where, detail = score.failed, "FAIL", traceback.format_exc()
    finally:
        signal.signal(signal.SIGALRM, old)
        t.close()
    result.append((entry.name, note))
    colour = {"ok  ": green, "skip": yellow, "FAIL": red}[where]
    extra = f": {note}" if where == "skip" else f", {note}" if isinstance(note, str) else ""
    seconds = f"{time.monotonic() - started:.1f} s"
    print(f"{colour(where)} {entry.name} ({seconds}{extra if where != 'skip' else ''})"
          f"{extra if where == 'skip' else ''}", flush=True)
    if detail:
        print("\n".join("     " + line for line in detail.splitlines()))
        for log in t.logs:
            print(f"     log: {shown(log)}")
        sys.stdout.flush()


def _interrupted(number, frame):
    raise KeyboardInterrupt


def test_command(arguments):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    score = Score()
    try:
        setup.ensure("test", arguments.yes)
        folder = build.build()
        entries = [entry for entry in [*unit_entries(folder, arguments.minutes), *python_entries()]
                   if wanted(entry, arguments.suite, arguments.k)]
        os.environ["XO_MINUTES"] = str(arguments.minutes)
        for entry in entries:
            entry.limit += arguments.minutes * 60
    except Problem as problem:
        print(f"{red('FAIL')} set-up and build: {problem}")
        if problem.hint:
            print(f"     to do: {problem.hint}")
        print("0 passed, 1 failed")
        return 1
    if arguments.list:
        print("\n".join(entry.name for entry in entries))
        return 0
    if not entries:
        print(f"{red('FAIL')} no test matches; ./xo test --list shows all of them")
        print("0 passed, 1 failed")
        return 1

    shutil.rmtree(folder / "test-logs", ignore_errors=True)
    started = time.monotonic()
    say(f"running {len(entries)} tests; logs go to {shown(folder / 'test-logs')} ...")
    try:
        accelerator = accel.choose(arguments.accel)
        for entry in entries:
            run_entry(entry, folder, accelerator, score)
    except KeyboardInterrupt:
        print(red("interrupted"))
        print(score.line())
        return 130
    say(f"took {time.monotonic() - started:.0f} s")
    if score.skipped:
        print(bold("skipped:"))
        for name, reason in score.skipped:
            print(f"  {name}: {reason}")
    if score.failed:
        print(bold("failed:"))
        for name, _ in score.failed:
            print(f"  {name}")
    print(score.line(), flush=True)
    return 1 if score.failed else 0
