# SPDX-License-Identifier: MIT
"""What a test written in Python works with. Tests are functions test_NAME(t) in
files test/**/test_*.py; `t` boots guests, makes networks and judges.

    from xo.testing import limit

    @limit(30)                                  # seconds; without it, 60
    def test_hello(t):
        guest = t.boot("hello")                 # an application, or a manifest's path
        guest.wait_line("^hello: hi", 10)       # fails the test when it does not come
        t.equal(guest.wait_exit(5), t.OK)

A function with cases runs once for each: `@cases("a", "b") def test_x(t, case)`.
Whatever a test started is ended after it, in whichever way it ended."""

import contextlib
import os
import subprocess
from pathlib import Path

from . import build, manifest as manifests, pack, qemu
from .common import Problem, command
from .bench.counter import Counter
from .tap import NoTap, Tap


class Failure(Exception):
    """What was expected and what was found."""


class Skip(Exception):
    """Why the test cannot run here."""


class TimeLimit(BaseException):
    """The test took longer than its limit."""


def limit(seconds):
    def mark(function):
        function.limit = seconds
        return function
    return mark


def cases(*values):
    def mark(function):
        function.cases = values
        return function
    return mark


class TestGuest(qemu.Guest):
    """A guest whose silence fails the test."""

    __test__ = False

    def __init__(self, machine, kernel, manifest=None, tap=None, **options):
        self.manifest = manifest
        self.tap = tap
        self.kernel = kernel
        self._reached = {}
        super().__init__(machine, **options)

    def tail(self, count=15):
        lines = self.lines[-count:] or ["(the console said nothing)"]
        errors = self.errors()
        return "\n".join("    | " + line for line in lines + ([f"QEMU: {errors}"] if errors else []))

    def wait_line(self, pattern, timeout=10, start=0):
        """The match of the first line from `start` on; a failure when none comes."""
        found = super().wait_line(pattern, timeout, start)
        if not found:
            status = self.wait(1) if self.console_ended else self.exit_status
            how = f"within {timeout} s" if status is None else f"before the end ({qemu.verdict(status)})"
            raise Failure(f"no line matched {pattern!r} {how}; the last lines:\n{self.tail()}")
        return found

    def try_line(self, pattern, timeout=0, start=0):
        """The same without a failure: None when no line matches."""
        return super().wait_line(pattern, timeout, start)

    def wait_exit(self, timeout=10):
        """The status that QEMU ended with; a failure when it does not end."""
        status = self.wait(timeout)
        if status is None:
            raise Failure(f"the guest still ran after {timeout} s; the last lines:\n{self.tail()}")
        return status

    def address(self, program, timeout=20):
        """The address that a program named when it was ready."""
        found = self.wait_line(rf"^{program}: ready\b.*?(\d+\.\d+\.\d+\.\d+)", timeout)
        return found[1]

    def reach(self, program, protocol="tcp", port=80, timeout=20):
        """(address, port) where this machine reaches a program's port."""
        address = self.address(program, timeout)
        if self.tap:
            return address, port
        key = (protocol, address, port)
        if key not in self._reached:
            self._reached[key] = ("127.0.0.1", self.forward(protocol, address, port))
        return self._reached[key]

    def kernel_word(self, name):
        """The value now of a 32-bit variable of the kernel, which is linked at its address + 2^64 - 2^31."""
        for line in command(["nm", self.kernel]).splitlines():
            if line.split()[1:] == ["B", name] or line.split()[1:] == ["D", name]:
                address = int(line.split()[0], 16) & 0x7fffffff
                said = self.monitor("human-monitor-command", **{"command-line": f"xp /1wx {address:#x}"})
                return int(said.split(":")[1], 16)
        raise Failure(f"the kernel has no variable {name}")

    def url(self, program, path="/", timeout=20):
        address, port = self.reach(program, "tcp", 80, timeout)
        return f"http://{address}:{port}{path}"


class Test:
    """One run of one test."""

    __test__ = False
    OK, PROGRAM_FAILED, PANIC, BOOT_FAILED = 33, 35, 37, 39

    def __init__(self, name, folder, accel="tcg", source=None):
        self.name = name
        self.folder = Path(folder)        # of the build
        self.source = source              # the test's file
        self.accel = accel
        self.logs = []
        self._stack = contextlib.ExitStack()
        self._log_name = name.replace("/", "-")
        self.work = self.folder / "test-logs" / self._log_name
        self.work.mkdir(parents=True, exist_ok=True)

    # --- judging ---

    @staticmethod
    def skip(reason):
        raise Skip(reason)

    @staticmethod
    def fail(text):
        raise Failure(text)

    @staticmethod
    def check(condition, text):
        if not condition:
            raise Failure(text)

    @staticmethod
    def equal(found, expected, what="value"):
        if found != expected:
            raise Failure(f"{what}: found {found!r}, expected {expected!r}")

    @staticmethod
    def match(text, pattern):
        import re
        if not re.search(pattern, text):
            raise Failure(f"{text!r} does not match {pattern!r}")

    # --- making things ---

    def manifest(self, text):
        """A manifest from text; paths of `include` are relative to the test's file."""
        path = self.work / "manifest"
        lines = []
        for line in text.splitlines():
            words = line.split()
            if words[:1] == ["include"] and len(words) > 1:
                words[1] = str((self.source.parent / words[1]).resolve())
                line = " ".join(words)
            lines.append(line)
        path.write_text("\n".join(lines) + "\n")
        return path

    def files(self, manifest):
        """What a manifest's boot archive holds: (name, content) pairs for pack.archive()."""
        return pack.archive_files(self._read(manifest), self.folder)

    def archive(self, manifest):
        """The bytes of the boot archive of a manifest: to boot, or to spoil first."""
        return pack.archive(self.files(manifest))

    def _read(self, manifest):
        if isinstance(manifest, manifests.Manifest):
            return manifest
        if isinstance(manifest, str) and "\n" in manifest:
            manifest = self.manifest(manifest)
        elif isinstance(manifest, str) and self.source and (self.source.parent / manifest).is_file():
            manifest = self.source.parent / manifest
        return manifests.read(manifests.find(str(manifest)))

    def boot(self, manifest=None, *, boot="pvh", net="user", tap=None, memory="64M", cores=1,
             archive=None, kernel=None, disk=None, pcap=None, icount=False, nic_options="", extra=(),
             count=False):
        """Boot a manifest: an application's name, a path, or the text itself.
        `archive` replaces the packed archive by these bytes (b"": boot without one).
        With `count`, guest.counter.totals()[0] says what was executed so far (under emulation)."""
        number = len(self.logs) + 1
        manifest = self._read(manifest) if manifest is not None else None
        content = self.archive(manifest) if archive is None else archive
        path = None
        if content:
            path = self.work / f"{number}.archive"
            path.write_bytes(content)
        kernel = kernel or build.kernel(self.folder)
        machine = qemu.Machine(accel=self.accel, memory=memory, cores=cores,
                               net=tap.net if tap else net, pcap=pcap, icount=icount, disk=disk,
                               nic_options=nic_options, extra=list(extra))
        if boot == "grub":
            machine.iso = pack.iso_write(kernel, path, self.work / f"{number}.iso")
        else:
            machine.kernel, machine.archive = kernel, path
        log = self.work / f"{number}.log"
        self.logs.append(log)
        counter = self._stack.enter_context(Counter()) if count else None
        if counter:
            machine.accel = "tcg"
            counter.attach(machine)
        with tap.inside() if tap else contextlib.nullcontext():
            guest = TestGuest(machine, kernel, manifest=manifest, tap=tap, log=log)
        self._stack.enter_context(guest)
        guest.counter = counter
        if counter:
            counter.go()
        return guest

    def tap(self, address="10.0.2.2/24"):
        """A private network with a tap interface, or a skip that says why not."""
        try:
            return self._stack.enter_context(Tap(address))
        except NoTap as reason:
            raise Skip(f"no tap network: {reason}") from None

    def run(self, *words, tap=None, timeout=30, check=True):
        """Run a program of this machine (inside the tap's network); what it printed."""
        with tap.inside() if tap else contextlib.nullcontext():
            try:
                done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      timeout=timeout, check=False)
            except FileNotFoundError:
                raise Skip(f"{words[0]} is not installed") from None
            except subprocess.TimeoutExpired:
                raise Failure(f"{' '.join(map(str, words))} did not end within {timeout} s") from None
        output = done.stdout.decode("utf-8", "replace")
        if check and done.returncode:
            raise Failure(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{output}")
        done.stdout = output
        return output if check else done

    def xo(self, *words, timeout=60, environment=None, check=False):
        """Run ./xo itself; the completed process (stdout, stderr as text)."""
        from .common import ROOT
        return subprocess.run([str(ROOT / "xo"), *map(str, words)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout, check=check, env={**os.environ, **(environment or {})})

    def close(self):
        self._stack.close()


__all__ = ["Failure", "Problem", "Skip", "Test", "TestGuest", "TimeLimit", "cases", "limit"]
