# SPDX-License-Identifier: MIT
"""The other end of the counting plugin's socket (test/bench/plugin/control.c)."""

import contextlib
import socket
import struct
from dataclasses import dataclass, fields

from ..common import Problem
from . import host

RECORD = struct.Struct("<QQQBB14s")
PATIENCE = 60  # seconds for an answer


@dataclass
class Totals:
    """Numbers since the machine's start, in the order of the plugin's struct totals."""
    insns: int = 0
    rep: int = 0          # iterations of repeated string operations, part of insns
    user: int = 0
    user_rep: int = 0
    cr3: int = 0          # loads of CR3
    port: int = 0
    mmio: int = 0
    syscall: int = 0      # `syscall` instructions of user code
    hlt: int = 0          # times that the machine went to sleep
    iret: int = 0         # returns from interrupts and faults, by the kernel

    @property
    def norep(self):
        return self.insns - self.rep

    @property
    def user_norep(self):
        return self.user - self.user_rep

    @property
    def kernel_norep(self):
        return self.norep - self.user_norep

    def __sub__(self, other):
        return Totals(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


SIZE = len(fields(Totals))


class Counter:
    """Made before the guest: `attach()` before QEMU starts, `go()` to let it begin. The socket has no
    name, so that nothing of it stays when this process is killed."""

    def __init__(self):
        self._plugin = host.plugin()
        ours, self._theirs = socket.socketpair()
        ours.settimeout(PATIENCE)
        self._file = ours.makefile("rwb")
        ours.close()
        self._marks = []

    def attach(self, machine):
        """The machine, counted."""
        machine.extra = [*machine.extra, "-plugin", f"{self._plugin},control={self._theirs.fileno()}"]
        machine.files = [*machine.files, self._theirs.fileno()]
        return machine

    def mark(self, name, address, content):
        """Keep the totals of the first execution of `address` where RAM holds `content`."""
        self._marks.append((name, address, content[:32]))

    def go(self, keep=False):
        """`keep`: what each mark needs for dump()."""
        self._theirs.close()    # QEMU has its own; when it ends, so does the conversation
        marks = [f"mark {name} {address:x} {content.hex()}" for name, address, content in self._marks]
        try:
            for line in [*marks, *(["keep"] if keep else []), "go"]:
                if self._ask(line) != "ok":
                    raise Problem(f"the counting plugin refused `{line[:60]}`")
        except OSError:
            raise Problem("QEMU did not load the counting plugin",
                          "was it built with plugins? Debian's is") from None

    def _ask(self, line):
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        answer = self._file.readline()
        if not answer:
            raise OSError("QEMU ended while it was counted")
        return answer.decode().strip()

    def totals(self, addresses=()):
        """(Totals, executions of each address)."""
        words = [int(word) for word in
                 self._ask(" ".join(["totals", *(f"{address:x}" for address in addresses)])).split()]
        if words[SIZE]:
            raise Problem("the counting plugin ran out of places for instructions",
                          "raise COUNTED_MAX in test/bench/plugin/count.c")
        return Totals(*words[:SIZE]), words[SIZE + 1:]

    def marks(self):
        """{name: Totals} of the marks reached."""
        reached = {}
        line = self._ask("marks")
        while line != ".":
            name, *words = line.split()
            reached[name] = Totals(*map(int, words))
            line = self._file.readline().decode().strip()
        return reached

    def dump(self, *marks):
        """{(address, page, bytes): (count, kind)} of every executed instruction, or between two marks."""
        count = int(self._ask(" ".join(["dump", *marks])))
        content = self._file.read(count * RECORD.size)
        return {(vaddr, page, code[:size]): (times, kind)
                for vaddr, page, times, kind, size, code in RECORD.iter_unpack(content)}

    def close(self):
        if self._file:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
        self._theirs.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
