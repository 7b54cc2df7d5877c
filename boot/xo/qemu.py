# SPDX-License-Identifier: MIT
"""One QEMU: its command line, its console, its exit status, its end.

A QEMU started here is ended by the process id that was started, is reaped, and
dies with this process even if that is killed. The console is read by a thread
that keeps every line; readiness is a line from the guest and nothing else."""

import ctypes
import json
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from .common import Problem

MAC = "52:54:00:12:34:56"

# What isa-debug-exit makes of the values that the guest writes.
STATUS_OK = 33
VERDICTS = {
    33: "ended well",
    35: "a program failed",
    37: "the kernel panicked",
    39: "the boot failed",
    0: "the machine reset itself without a word (a triple fault?)",
    1: "QEMU itself failed",
}


def verdict(status):
    if status is None:
        return "it still runs"
    if status < 0:
        return f"QEMU was ended by signal {-status}"
    return VERDICTS.get(status, f"QEMU ended with the unknown status {status}")


@dataclass
class Machine:
    """What to boot, and in what."""
    kernel: Path = None          # with archive: PVH, straight from files
    archive: Path = None
    iso: Path = None             # or: GRUB, from an image
    accel: str = "tcg"
    memory: str = "64M"
    cores: int = 1
    net: str = "user"            # user, none, tap=INTERFACE
    pcap: Path = None
    icount: bool = False
    disk: Path = None
    nic_options: str = ""        # more properties of the network card, ",mq=on"
    extra: list = field(default_factory=list)
    files: list = field(default_factory=list)   # descriptors that QEMU inherits


def command_line(machine):
    words = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-M", "q35",
             "-accel", machine.accel, "-cpu", "max",
             "-smp", str(machine.cores), "-m", machine.memory, "-display", "none", "-no-reboot",
             "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    if machine.iso:
        words += ["-boot", "d", "-cdrom", str(machine.iso)]
    elif machine.kernel:
        words += ["-kernel", str(machine.kernel)]
        if machine.archive:
            words += ["-initrd", str(machine.archive)]
    if machine.net == "user":
        words += ["-netdev", "user,id=n0"]
    elif machine.net.startswith("tap="):
        words += ["-netdev", f"tap,id=n0,ifname={machine.net[4:]},script=no,downscript=no"]
    elif machine.net != "none":
        raise Problem(f"unknown network {machine.net}", "use --net user, --net tap=INTERFACE or --net none")
    if machine.net != "none":
        words += ["-device", f"virtio-net-pci,netdev=n0,mac={MAC},disable-legacy=on{machine.nic_options}"]
        if machine.pcap:
            words += ["-object", f"filter-dump,id=dump0,netdev=n0,file={machine.pcap}"]
    if machine.icount:
        words += ["-icount", "shift=0,sleep=off"]
    if machine.disk:
        words += ["-drive", f"if=none,id=d0,format=raw,file={machine.disk}",
                  "-device", "virtio-blk-pci,drive=d0,disable-legacy=on"]
    return words + machine.extra


def _die_with_parent():
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def _clean(raw):
    """A console line without anything that could steer a terminal."""
    text = raw.decode("utf-8", "replace").rstrip("\r\n")
    text = re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[c()][0-9A-B]?)", "", text)
    text = re.sub(r"[\x00-\x08\x0a-\x1f\x7f]", "", text)
    return "".join(c if c == "\t" or c.isprintable() else "?" for c in text)


class Guest:
    """A running (or ended) QEMU."""

    def __init__(self, machine, log=None, on_line=None, keep=True):
        self.machine = machine
        self._keep = keep            # lines for wait_line(); not for a guest that runs for days
        self.lines = []              # everything the console said, cleaned
        self.times = []              # seconds after the start, for each line
        self._on_line = on_line
        self._changed = threading.Condition()
        self._monitor_lock = threading.Lock()
        self._log = open(log, "w", encoding="utf-8") if log else None
        self._errors = tempfile.TemporaryFile()
        self.console_ended = False

        ours, theirs = socket.socketpair()
        self.command = command_line(machine) + [
            "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
            "-chardev", f"socket,id=monitor,fd={theirs.fileno()}", "-mon", "chardev=monitor,mode=control"]
        if self._log:
            self._log.write("$ " + " ".join(self.command) + "\n")
            self._log.flush()
        self.started = time.monotonic()
        try:
            # A group of its own: Ctrl-C at the terminal is for us to translate.
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
                pass_fds=[theirs.fileno(), *machine.files], preexec_fn=_die_with_parent, start_new_session=True)
        except FileNotFoundError:
            raise Problem(f"{self.command[0]} is not installed", "./xo doctor") from None
        finally:
            theirs.close()
        self._monitor = ours.makefile("rwb", buffering=0)
        self._monitor_socket = ours
        self._monitor_ready = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    # --- console ---

    def _read(self):
        for raw in iter(lambda: self.process.stdout.readline(65536), b""):
            self._line(_clean(raw))
        with self._changed:
            self.console_ended = True
            self._changed.notify_all()

    def _line(self, text):
        if self._log:
            self._log.write(text + "\n")
            self._log.flush()
        with self._changed:
            if self._keep:
                self.lines.append(text)
                self.times.append(time.monotonic() - self.started)
            self._changed.notify_all()
        if self._on_line:
            self._on_line(text)

    def type(self, text):
        """Keys on its console. Nothing happens when it has ended."""
        try:
            self.process.stdin.write(text)
            self.process.stdin.flush()
        except OSError:
            pass

    def wait_line(self, pattern, timeout=10, start=0):
        """The first line from `start` on that matches; None when time or console end first."""
        deadline = time.monotonic() + timeout
        regex = re.compile(pattern)
        at = start
        with self._changed:
            while True:
                while at < len(self.lines):
                    found = regex.search(self.lines[at])
                    at += 1
                    if found:
                        return found
                left = deadline - time.monotonic()
                if left <= 0 or self.console_ended:
                    return None
                self._changed.wait(left)

    def errors(self):
        """What QEMU itself complained about."""
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace").strip()

    # --- monitor ---

    def monitor(self, name, **arguments):
        """One QMP command; its answer. Raises OSError when QEMU is gone."""
        with self._monitor_lock:
            self._monitor_socket.settimeout(5)
            if not self._monitor_ready:
                self._monitor.readline()  # the greeting
                self._monitor_ready = True
                self._exchange("qmp_capabilities", {})
            return self._exchange(name, arguments)

    def _exchange(self, name, arguments):
        self._monitor.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while True:
            line = self._monitor.readline()
            if not line:
                raise OSError("QEMU closed its monitor")
            answer = json.loads(line)
            if "error" in answer:
                raise OSError(answer["error"].get("desc", "?"))
            if "return" in answer:
                return answer["return"]

    def forward(self, protocol, address, port, prefer=None, exact=False):
        """Make a guest's port reachable from this machine; the port on 127.0.0.1."""
        if prefer:
            candidates = range(prefer, prefer + (1 if exact else 20))
        else:
            candidates = [_free_port(protocol) for _ in range(5)]
        for host in candidates:
            said = self.monitor("human-monitor-command", **{
                "command-line": f"hostfwd_add n0 {protocol}:127.0.0.1:{host}-{address}:{port}"})
            if not said.strip():
                return host
        raise Problem(f"no free port on this machine for {protocol} {address}:{port}",
                      "choose one with --publish HOST:GUEST")

    # --- the end ---

    @property
    def exit_status(self):
        return self.process.poll()

    def wait(self, timeout=None):
        """Wait for QEMU to end by itself; its status, or None when time is up."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(2)
        return status

    def stop(self):
        """End it if it still runs, and leave nothing behind. Its status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(2)
        try:
            self.process.stdin.close()
        except OSError:
            pass  # with something left that nobody will read
        self._monitor_socket.close()
        if self._log:
            self._log.close()
            self._log = None
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()


def _free_port(protocol):
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
