# SPDX-License-Identifier: MIT
"""The kernel from inside programs that use nothing but plans: each operation for real, with its errors, beside
each other. The programs count their own failures and init compares their exit status with the manifest."""

import contextlib
import re
import time

from xo.manifest import elf_path
from xo.testing import cases, limit

# A case of each program that must have been run.
RAN = {"memory": "zeroed", "large": "frozen", "space": "freeze-runs", "envs": "killed", "grants": "cpu-give", "many": "many",
       "plans": "full-ring", "timers": "standing-always", "reclaim": "called-off", "registers": "slices", "registers-two": "faults",
       "upcalls": "nesting", "net": "carved"}


@limit(90)
@cases("pvh", "grub")
def test_operations(t, case):
    guest = t.boot("kernel/kernel.manifest", boot=case, memory="96M")
    status = guest.wait_exit(80)
    for line in guest.lines:
        t.check("FAILED" not in line, line)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")
    for program, name in RAN.items():
        guest.wait_line(f"^{program}: ok {name}$", 1)
    # What the console showed: each line behind its label, nothing that could steer a terminal.
    guest.wait_line("^child-7: from a child's point of view$", 1)
    guest.wait_line("^child-7: and a second line$", 1)
    guest.wait_line(r"^grants: by frame number: tab\tcontrol\?\[31m\?end$", 1)
    t.equal(sum(line == "grants: " + "m" * 256 for line in guest.lines), 4, "lines of a long write")


IDLE = "program sleeper\n  file kernel-share\n  args sleep 1000 50000\n  memory 2M\n  console yes\n"
BUSY = "program spinner\n  file kernel-share\n  args spin 60000\n  memory 2M\n  console yes\n"


def _running(t, text):
    guest = t.boot(text, net="none")
    guest.wait_line("^init: running$", 10)
    time.sleep(0.3)
    return guest


@limit(30)
@cases("idle", "busy")
def test_protections(t, case):
    """What the processor forbids by itself, read from the running machine."""
    guest = _running(t, IDLE if case == "idle" else BUSY)
    said = guest.monitor("human-monitor-command", **{"command-line": "info registers"})
    value = {name: int(number, 16) for name, number in re.findall(r"\b(CR0|CR4|EFER)=([0-9a-f]+)", said)}
    for register, bit, what in (("CR0", 16, "write protection"), ("CR0", 18, "alignment checks"), ("CR4", 11, "UMIP"),
                                ("CR4", 16, "FSGSBASE"), ("CR4", 20, "SMEP"), ("CR4", 21, "SMAP"),
                                ("EFER", 0, "SYSCALL"), ("EFER", 10, "long mode"), ("EFER", 11, "NX")):
        t.check(value[register] >> bit & 1, f"{what} is off: {register} is {value[register]:x}")


@limit(30)
@cases("idle", "busy")
def test_panic(t, case):
    """The kernel's own end, here from an interrupt that nobody asked for: registers, names, a status of its own."""
    guest = _running(t, IDLE if case == "idle" else BUSY)
    with contextlib.suppress(OSError):  # the machine may end before it answers
        guest.monitor("inject-nmi")
    t.equal(guest.wait_exit(10), t.PANIC, f"exit status (the last lines:\n{guest.tail()})")
    mode = "kernel" if case == "idle" else "user"
    guest.wait_line(f"^exo: panic: NMI in {mode} mode, vector 2, ", 1)
    for register in ("rip", "rsp", "rax", "r15", "rflags", "cr3"):
        guest.wait_line(rf"\b{register} [0-9a-f]+", 1)
    if case == "idle":
        lines = guest.lines[guest.lines.index("backtrace:") + 1:]
        names = [line.split()[-1].split("+")[0] for line in lines]
        t.check(names[0] == "arch_idle" and any(name.startswith("trap_") for name in names), f"backtrace: {names}")
    else:
        guest.wait_line(r"^running: environment \d+$", 1)


@limit(30)
@cases("idle", "busy")
def test_key(t, case):
    """A key on the console: the table of resources, each time, and nothing for other keys."""
    guest = _running(t, IDLE if case == "idle" else BUSY)
    name = "sleeper" if case == "idle" else "spinner"
    for keys in (b"t", b"\r\nxt"):
        start = len(guest.lines)
        guest.type(keys)
        t.check(guest.wait_line(rf"^init: +{name} +(runs|waits) +\d+/512 ", 10, start), f"no table after {keys}")
    time.sleep(0.3)
    t.equal(sum("frames/limit" in line for line in guest.lines), 2, "tables")


@limit(30)
def test_one_way_in(t):
    """A program has a single SYSCALL instruction: a call of the C library is a call."""
    for name in ("posix", "libc-misc", "kernel-net"):
        said = t.run("objdump", "-d", "--no-show-raw-insn", elf_path(name, t.folder), timeout=25)
        function, found = None, []
        for line in said.splitlines():
            label = re.match(r"[0-9a-f]+ <(.*)>:$", line)
            function = label[1] if label else function
            if re.search(r"\t(syscall|sysenter|int +\$0x80)\b", line):
                found.append(function)
        t.equal(found, ["exo_enter"], f"functions of {name} that enter the kernel")
