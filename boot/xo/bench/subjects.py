# SPDX-License-Identifier: MIT
"""What can be measured: programs and manifests of this system, and a Linux guest.
A subject knows what to boot and how to tell that it is ready; a Running one has
its network and, when it is counted, the counting plugin."""

import contextlib
import os
import re
from pathlib import Path

from .. import build, manifest as manifests, pack
from ..common import Problem
from ..qemu import MAC, Guest, Machine, verdict
from ..tap import NoTap, Tap
from .counter import Counter
from .elf import Elf

ADDRESS = "10.0.2.15"
BOOT_LIMIT = 60
TRAPS = "interrupts and faults"
CRASH = re.compile(r"init: crash|exo: panic|.*Kernel panic|linux: a program ended")
CLOSED = ["-seed", "1", "-rtc", "base=2020-01-01,clock=vm"]  # with icount: the same run every time
KERNEL_BASE = 0xffffffff80000000

# Subjects that need more than their own manifest: the suites ask them for the same things
# as the Linux guest.
PROGRAM = """\
{include}program {name}
  file {file}
  memory {memory}
  {net}
  {more}
  console yes
"""
# The other side of messages.
PARTNER = """\
children 1
  console yes
channel there from programs to partner places 4 frames 1
channel back from partner to programs places 4 frames 1
program partner
  file bench-partner
  memory 1M"""
# name: (file, memory, more lines, protocol, port)
BUILT_IN = {
    "httpd": ("httpd", "24M", "args -r /www\n  archive yes", "tcp", 80),
    "echo-sockets": ("bench-echo", "8M", "", "udp", 7),
    "stream": ("bench-stream", "16M", "", "tcp", 9),
    "micro": ("bench-micro", "16M", "", "", 0),
    "programs": ("bench-programs", "32M", PARTNER, "", 0),
}


def _built_in(name, folder, at):
    file, memory, more, protocol, port = BUILT_IN[name]
    include = f"include {os.path.relpath(www(folder), at)} as www\n" if "/www" in more else ""
    net = f"net mac={MAC} ip={ADDRESS}/24 gateway=10.0.2.2 broadcast\n  publish {protocol} {port}" if port else ""
    return PROGRAM.format(include=include, name=name, file=file, memory=memory, net=net, more=more)


def www(folder):
    """The files that every web server of a run serves: `600` and `1m`."""
    out = folder / "bench" / "www"
    out.mkdir(parents=True, exist_ok=True)
    for name, size in (("600", 600), ("1m", 1 << 20)):
        path = out / name
        if not path.is_file():
            path.write_bytes((b"Sixty-four bytes a line, so that a dump of it can be read easily\n" * (size // 65 + 1))[:size])
    return out


class Own:
    """A program or manifest of this system."""
    memory = "64M"

    def __init__(self, name, folder):
        self.folder = folder
        self.kernel = build.kernel(folder)
        self.name = Path(name).stem
        self.path = folder / "bench" / f"{self.name}.manifest"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if name in BUILT_IN:
            text = _built_in(name, folder, self.path.parent)
        else:  # it moves, and there is no DHCP server on a tap
            text = manifests.find(name).read_text(encoding="utf-8")
            text = re.sub(r"^(\s*include\s+)(\S+)", lambda found: found[1] + os.path.relpath(
                manifests.find(name).parent / found[2], self.path.parent), text, flags=re.MULTILINE)
            text = text.replace("ip=dhcp", f"ip={ADDRESS}/24 gateway=10.0.2.2 broadcast")
        self.path.write_text(text, encoding="utf-8")
        self.manifest = manifests.read(self.path)
        self.macs = dict(re.findall(r"^\s*program\s+(\S+)(?:(?!^\s*program\s).)*?mac=(\S+)", text,
                                    flags=re.MULTILINE | re.DOTALL))
        self.addresses = dict(re.findall(r"^\s*program\s+(\S+)(?:(?!^\s*program\s).)*?ip=([\d.]+)", text,
                                         flags=re.MULTILINE | re.DOTALL))
        self.archive = pack.archive_write(self.manifest, self.path.with_suffix(".archive"), folder)

    def serves(self, protocol, port):
        return any((protocol, port) in program.publish for program in self.manifest.programs)

    def machine(self, **options):
        return Machine(kernel=self.kernel, archive=self.archive, **options)

    def ready(self, guest, patience=BOOT_LIMIT):
        """Waits; [(program's address, its MAC, (protocol, port)s)]."""
        found = []
        for program in self.manifest.programs:
            if not program.publish:
                continue
            line = guest.wait_line(rf"^{program.name}: ready\b", patience)
            if not line:
                end = "\n".join("    | " + text for text in guest.lines[-10:])
                raise Problem(f"{self.name}: no `{program.name}: ready` ({verdict(guest.exit_status)}):\n{end}")
            found.append((self.addresses[program.name], self.macs.get(program.name), program.publish))
        return found

    def elves(self):
        names = ["init", *(name for name in self.manifest.elves() if name != "init")]
        return [Elf(self.kernel, "kernel"), *(Elf(manifests.elf_path(name, self.folder), name) for name in names)]

    def profiled(self):
        return self

    def profile_elves(self, running):
        return self.elves()

    def marks(self):
        """Places whose first execution is a figure. Before paging the kernel runs where it is loaded."""
        kernel, *programs = self.elves()
        entry = kernel.address("boot_pvh")
        found = [("entry", entry - KERNEL_BASE, kernel.at(entry, 32))]
        return found + [(f"main-of-{elf.label}", elf.address("main"), elf.at(elf.address("main"), 32))
                        for elf in programs]

    def micro_parts(self):
        """The machines that the primitives need, each with one program."""
        return [self, Own("programs", self.folder)] if self.name == "micro" else [self]

    def micro_elf(self):
        file = self.manifest.programs[0].file
        return Elf(manifests.elf_path(file, self.folder), file)

    def lean(self, network, works, least):
        """This subject with no more memory for its program than it needs to serve."""
        text = self.path.read_text(encoding="utf-8")
        if len(self.manifest.programs) != 1 or not re.search(r"memory \d+M", text):
            return self

        def with_limit(size):
            lean = Own.__new__(Own)
            lean.__dict__.update(self.__dict__)
            lean.path = self.path.with_name(f"{self.name}-lean.manifest")
            lean.path.write_text(re.sub(r"memory \d+M", f"memory {size}M", text), encoding="utf-8")
            lean.manifest = manifests.read(lean.path)
            lean.archive = pack.archive_write(lean.manifest, lean.path.with_suffix(".archive"), self.folder)
            return lean

        most = int(re.search(r"memory (\d+)M", text)[1])
        return with_limit(least(most, lambda size: works(with_limit(size))))

    def watches(self):
        """Functions of the kernel whose executions are figures."""
        kernel = Elf(self.kernel)
        names = {"upcalls": "upcall", TRAPS: "trap_common"}
        return {label: kernel.address(name) for label, name in names.items() if kernel.address(name)}


def network_choose(figures):
    """`tap` or `user`; the reason for the lesser one goes among the figures."""
    try:
        with Tap():
            return "tap"
    except NoTap as reason:
        figures.say(f"no tap network ({reason}): this is over QEMU's user networking, where a "
                    "process of this machine handles every packet; rates are not comparable with those over tap")
        return "user"


class Running:
    """A booted subject. Whatever was started for it ends with close()."""

    def __init__(self, subject, network="user", counted=False, marks=(), memory=None, icount=False, patience=BOOT_LIMIT):
        self.subject = subject
        self.counter = None
        self.tap = None
        self._reached = {}
        with contextlib.ExitStack() as stack:
            if network == "tap":
                self.tap = stack.enter_context(Tap())
            machine = subject.machine(memory=memory or subject.memory, icount=icount,
                                      net=self.tap.net if self.tap else network)
            if counted:
                self.counter = stack.enter_context(Counter())
                self.counter.attach(machine)
                for mark in marks:
                    self.counter.mark(*mark)
            with self.inside():
                self.guest = stack.enter_context(Guest(machine))
            if counted:
                self.counter.go()
            self.places = subject.ready(self.guest, patience)
            for address, mac, _ in self.places:
                if self.tap and mac:
                    self.tap.neighbour(address, mac)
            self._stack = stack.pop_all()

    def alive(self):
        """A guest that crashed or ended has no figures."""
        lines = self.guest.lines
        crash = next((i for i, text in enumerate(lines) if CRASH.match(text)), None)
        if crash is None and self.guest.exit_status is None:
            return
        told = "\n".join("    | " + text for text in (lines[-10:] if crash is None else lines[crash:crash + 12]))
        raise Problem(f"{self.subject.name} did not survive the load ({verdict(self.guest.exit_status)}):\n{told}")

    def inside(self):
        return self.tap.inside() if self.tap else contextlib.nullcontext()

    def reach(self, protocol, port):
        """(address, port) of a service, from this machine (inside())."""
        for address, _, ports in self.places:
            if (protocol, port) in ports:
                if self.tap:
                    return address, port
                key = (protocol, address, port)
                if key not in self._reached:
                    self._reached[key] = ("127.0.0.1", self.guest.forward(protocol, address, port))
                return self._reached[key]
        raise Problem(f"{self.subject.name} serves no {protocol} port {port}")

    def close(self):
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
