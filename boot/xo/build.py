# SPDX-License-Identifier: MIT
"""Configures with meson, builds with ninja. A compiler named in CC gets a build
directory of its own, so that gcc's and clang's results lie side by side."""

import os
import subprocess
import sys
from pathlib import Path

from . import ports
from .common import BUILD, ROOT, Problem, command, say, shown


def build_folder():
    """Where results go: build, or build-<compiler> when CC asks for another."""
    compiler = os.environ.get("CC", "")
    if "XO_BUILD" in os.environ or Path(compiler).name in ("", "cc", "gcc"):
        return BUILD
    return ROOT / f"build-{Path(compiler).name.split()[0]}"


def compiler():
    return (os.environ.get("CC") or "cc").split()


def build(targets=()):
    """Build everything (or the named targets); the folder of the results."""
    # The ports first and visibly: meson would run them again without a word.
    ports.musl(compiler())
    ports.lwip()
    folder = build_folder()
    if not (folder / "build.ninja").is_file():
        say("configuring ...")
        words = ["meson", "setup", folder, ROOT]
        if (folder / "meson-info").is_dir():
            words.insert(2, "--wipe")
        command(words, what="meson setup", log=folder.parent / f"{folder.name}-setup.log",
                hint="if it is about a tool, ./xo doctor says what is missing")
        (folder.parent / f"{folder.name}-setup.log").rename(folder / "setup.log")

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
