# SPDX-License-Identifier: MIT
"""Exact figures of what a guest executes, under emulation: see boot/counter.c."""

import mmap
import struct
from dataclasses import dataclass

from .common import CACHE, ROOT, command

SOURCE = ROOT / "boot" / "counter.c"


@dataclass
class Counts:
    user: int
    kernel: int
    repeated: int     # included in the first two
    crossings: int
    returns: int
    spaces: int

    @property
    def instructions(self):
        return self.user + self.kernel

    @property
    def unrepeated(self):
        return self.instructions - self.repeated

    def __sub__(self, other):
        return Counts(*(mine - its for mine, its in zip(vars(self).values(), vars(other).values())))

    def per(self, units):
        return Counts(*(value / units for value in vars(self).values()))


class Counter:
    """One guest's counters: give `options` to QEMU, then read whenever you like."""

    def __init__(self, path):
        CACHE.mkdir(parents=True, exist_ok=True)
        plugin = CACHE / "counter.so"
        if not plugin.is_file() or plugin.stat().st_mtime < SOURCE.stat().st_mtime:
            command(["gcc", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", SOURCE, "-o", plugin])
        path.write_bytes(bytes(4096))
        self.options = ["-plugin", f"{plugin},counts={path}"]
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 4096, access=mmap.ACCESS_READ)

    def read(self):
        return Counts(*struct.unpack_from("<6Q", self._map, 0))
