# SPDX-License-Identifier: MIT
"""What the benchmark builds for this machine with its own compiler: the counting
plugin and the load clients. A result is named by a hash of its sources."""

import hashlib
import tempfile
from pathlib import Path

from ..common import CACHE, ROOT, Problem, command

SOURCE = ROOT / "test" / "bench"
WARNINGS = ["-std=c17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Wconversion"]


def made(name, sources, options):
    """Build `name` from files of test/bench, unless that is done; its path."""
    digest = hashlib.sha256(" ".join(options).encode())
    for path in sources:
        digest.update(path.read_bytes())
    out = CACHE / "bench" / f"{name}-{digest.hexdigest()[:12]}"
    if not out.is_file():
        out.parent.mkdir(parents=True, exist_ok=True)
        code = [path for path in sources if path.suffix == ".c"]
        with tempfile.TemporaryDirectory(dir=out.parent) as folder:  # two may build it at once
            fresh = Path(folder) / name
            command(["gcc", *WARNINGS, *options, "-o", fresh, *code], what=f"building the benchmark's {name}")
            fresh.rename(out)
    return out


def plugin():
    folder = SOURCE / "plugin"
    sources = sorted([*folder.glob("*.c"), *folder.glob("*.h")])
    if not sources:
        raise Problem("test/bench/plugin has no sources")
    return made("count.so", sources, ["-fPIC", "-shared", "-fvisibility=hidden", "-pthread"])


def client(name):
    folder = SOURCE / "client"
    return made(name, [folder / f"{name}.c", folder / "client.c", folder / "client.h"], [])
