# SPDX-License-Identifier: MIT
"""Configures with meson, builds with ninja. A compiler named in CC gets a build
directory of its own, so that gcc's and clang's results lie side by side."""

import os
import subprocess
import sys
from pathlib import Path

from . import ports
from .common import BUILD, CACHE, ROOT, Problem, command, say, shown


def build_folder():
    """Where results go: build, or build-<compiler> when CC asks for another."""
    compiler = os.environ.get("CC", "")
    if "XO_BUILD" in os.environ or Path(compiler).name in ("", "cc", "gcc"):
        return BUILD
    return ROOT / f"build-{Path(compiler).name.split()[0]}"


def compiler():
    return (os.environ.get("CC") or "cc").split()


def _configure(folder, used):
    """Make the build folder, or configure it anew when the ports have moved."""
    note = folder / "ports.used"
    known = note.read_text() if note.is_file() else ""
    words = ["meson", "setup", folder, ROOT]
    if (folder / "build.ninja").is_file():
        if known == used:
            return
        words.insert(2, "--reconfigure")
    elif (folder / "meson-info").is_dir():
        words.insert(2, "--wipe")
    say("configuring ...")
    log = CACHE / "setup.log"
    command(words, what="meson setup", log=log,
            hint="if it is about a tool, ./xo doctor says what is missing")
    note.write_text(used)


def build(targets=()):
    """Build everything (or the named targets); the folder of the results."""
    # The ports first and visibly: meson would make them without a word.
    # And check, which may have been installed after meson found that it was not there.
    used = f"{ports.musl(compiler())}\n{ports.lwip()}\ncheck {Path('/usr/include/check.h').exists()}\n"
    folder = build_folder()
    _configure(folder, used)
    # If a meson.build changed: configure anew, without meson's long speech.
    command(["ninja", "-C", folder, "build.ninja"], what="meson")
    dry = subprocess.run(["ninja", "-C", str(folder), "-n", *targets], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False)
    if "no work to do" in dry.stdout:
        return folder
    say("building ...")
    words = ["ninja", "-C", str(folder), *targets]
    if not sys.stderr.isatty():
        words.insert(1, "--quiet")
    # Progress and warnings belong to stderr, like all of what xo says on its way.
    if subprocess.run(words, stdout=sys.stderr, stdin=subprocess.DEVNULL, check=False).returncode:
        raise Problem("the build failed; the compiler's messages are above",
                      f"fix the code and run it again (build folder: {shown(folder)})")
    return folder


def kernel(folder):
    path = folder / "exo" / "exo.elf"
    if not path.is_file():
        raise Problem(f"the build made no kernel ({shown(path)})", "see exo/meson.build")
    return path
