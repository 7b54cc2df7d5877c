# SPDX-License-Identifier: MIT
"""Programs that try to break out, each beside a victim that keeps checking its memory
and an echo server that has to keep answering. init judges every program by the
manifest's `expect`; here we see that it did and that the neighbours noticed nothing."""

import os
import socket
import time

from xo.testing import cases, limit


def _answers(guest):
    """Rounds of UDP echo until the machine ends; (sent, answered)."""
    sent = answered = 0
    try:
        host, port = guest.reach("echo", "udp", 7)
    except OSError:
        return sent, answered  # the machine has ended; its status says why
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        while guest.exit_status is None:
            text = b"still there? %d" % sent
            sent += 1
            client.sendto(text, (host, port))
            try:
                answered += client.recv(2000) == text
            except OSError:
                pass
            time.sleep(0.05)
    return sent, answered


@limit(150)
@cases("memory", "machine", "tables", "refused", "spoof", "upcalls", "leftovers", "hogs", "channels", "large", "reclaim")
def test_attack(t, case):
    guest = t.boot(f"{case}.manifest", memory="96M")
    sent, answered = _answers(guest)
    status = guest.wait_exit(30)
    guest.wait_line(r"^victim: intact", 1)
    _refused(t, guest)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")
    # The last few may be lost in the machine's end.
    t.check(answered > 10 and answered >= sent - 5, f"echo answered {answered} of {sent}")


def _chaos(name, seconds, seed, number):
    return (f"program {name}\n  file chaos\n  args {seconds} {seed}\n  children 12\n  memory 8M\n  slots 8\n"
            f"  net mac=52:54:00:12:34:{number:02x} ip=10.0.2.{number}/24 broadcast\n  console yes\n  expect exit 0\n")


def _random(seconds, seed):
    return (f"end-when victim-exit\nprogram victim\n  args {seconds + 8}\n  memory 2M\n  console yes\n  expect exit 0\n"
            "program echo\n  memory 2M\n  net mac=52:54:00:12:34:57 ip=10.0.2.16/24 broadcast\n  console yes\n"
            "  publish udp 7\n" + _chaos("chaos", seconds, seed, 17) + _chaos("chaos-two", seconds, seed + 1, 18))


@limit(7200)
def test_fuzz(t):
    """Random plans of two programs (chaos/) beside a victim that checks its memory and a server that has to answer: the same
    for some seconds, or other ones every time for as long as was asked for. XO_SEED repeats what failed."""
    minutes = float(os.environ.get("XO_MINUTES", "0"))
    seconds = int(60 * minutes) or 20
    seed = int(os.environ.get("XO_SEED", time.time_ns() // 1000 % 1000000000 if minutes else 1))
    guest = t.boot(_random(seconds, seed), memory="128M")
    sent, answered = _answers(guest)
    status = guest.wait_exit(30)
    _refused(t, guest)
    t.equal(status, t.OK, f"exit status with XO_SEED={seed} (the last lines:\n{guest.tail()})")
    guest.wait_line("^victim: intact", 1)
    said = []
    for name in ("chaos", "chaos-two"):
        t.check(int(guest.wait_line(rf"^{name}: ([0-9]+) rounds", 1)[1]) > 500, f"{name} has hardly begun")
        said.append(guest.wait_line(rf"^{name}: (.* rounds, .*)", 1)[1])
        said.append(guest.wait_line(rf"^{name}: (operations: .*)", 1)[1])
    t.check(answered > 100 and answered >= sent - 5, f"echo answered {answered} of {sent}")
    return "; ".join(said) + f"; seed {seed}; echo answered {answered} of {sent}"


def _refused(t, guest):
    for line in guest.lines:
        t.check("SURVIVED" not in line and "NOT REFUSED" not in line and "DOES NOT HOLD" not in line, line)


@limit(240)
def test_arguments(t):
    """Every argument of every operation, from the operation table; the totals are the test's result."""
    guest = t.boot("arguments.manifest", memory="96M")
    sent, answered = _answers(guest)
    status = guest.wait_exit(30)
    _refused(t, guest)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")
    beats = [line for line in guest.lines if line.startswith("victim: heartbeat ")]
    t.check(beats and answered > 10 and answered >= sent - 5, f"{len(beats)} heartbeats; echo answered {answered} of {sent}")
    return f"{guest.wait_line('^arguments: attacks: (.*)', 1)[1]}; echo answered {answered} of {sent}"


def _program_lines(guest, name):
    """A crash report: its line, and what is indented below it. Others may say something meanwhile."""
    lines = [line for line in guest.lines if line.startswith("init: ")]
    start = next((i for i, line in enumerate(lines) if line.startswith(f"init: crash {name}: ")), None)
    if start is None:
        return []
    end = start + 1
    while end < len(lines) and lines[end].startswith("init:   "):
        end += 1
    return lines[start:end]


REPORTS = {
    "write-kernel": (r"page fault \(write\) at 0xffffffff80001000 .*<write_kernel\+", "write_kernel"),
    "divide": (r"divide error rip 0x[0-9a-f]+ <divide\+", "divide"),
    "read-null": (r"page fault \(read\) at 0x8 .*<read_null\+", "read_null"),
    "smash-stack": (r"general protection fault", "smash_stack"),
}


@limit(60)
def test_crash_report(t):
    guest = t.boot("memory.manifest", memory="96M")
    t.equal(guest.wait_exit(40), t.OK, f"exit status (the last lines:\n{guest.tail()})")
    for name, (pattern, function) in REPORTS.items():
        lines = _program_lines(guest, name)
        t.check(lines, f"no crash report of {name}")
        t.match(lines[0], pattern)
        text = "\n".join(lines)
        t.match(text, r"rax +[0-9a-f]{16}.*rdx +[0-9a-f]{16}")
        t.match(text, r"#0 ")
        t.match(text, rf"init:   {name} +stopped +\d+/\d+ ")  # who owned what
        t.check(name == "smash-stack" or function in text, f"{function} is not in the report:\n{text}")
        t.check(name == "smash-stack" or "<main+" in text or "main+" in text, f"main is not in the backtrace:\n{text}")
