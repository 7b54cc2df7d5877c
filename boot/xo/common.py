# SPDX-License-Identifier: MIT
"""What every part of xo shares: where things are, how to speak to the person
at the terminal, and how to run a command so that a failure explains itself."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XO_CACHE", ROOT / ".cache"))
BUILD = Path(os.environ.get("XO_BUILD", ROOT / "build"))


class Problem(Exception):
    """Something the person can do something about: what failed, and what to do."""

    def __init__(self, what, hint=None, status=1):
        super().__init__(what)
        self.hint = hint
        self.status = status


def _colour(stream, code, text):
    if stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb":
        return f"\033[{code}m{text}\033[0m"
    return text


def bold(text, stream=sys.stdout):
    return _colour(stream, "1", text)


def green(text, stream=sys.stdout):
    return _colour(stream, "32", text)


def red(text, stream=sys.stdout):
    return _colour(stream, "31", text)


def yellow(text, stream=sys.stdout):
    return _colour(stream, "33", text)


def say(text):
    """Progress. It goes to stderr: stdout belongs to what was asked for."""
    print(f"{bold('xo:', sys.stderr)} {text}", file=sys.stderr, flush=True)


def shown(path):
    """A path as a person would type it from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("../..") else relative


def command(words, log=None, what=None, hint=None, **options):
    """Run a command quietly. When it fails, show the end of what it said."""
    words = [str(word) for word in words]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              check=False, **options)
    except FileNotFoundError:
        raise Problem(f"{words[0]} is not installed", "./xo doctor lists what is missing") from None
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("$ " + " ".join(words) + "\n" + done.stdout)
    if done.returncode:
        tail = "\n".join("    " + line for line in done.stdout.splitlines()[-25:])
        where = f"\n  the whole log: {shown(log)}" if log else ""
        raise Problem(f"{what or ' '.join(words)} failed:\n{tail}{where}", hint)
    return done.stdout
