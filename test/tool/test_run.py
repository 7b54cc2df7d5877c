# SPDX-License-Identifier: MIT
"""./xo run as a person uses it: the address that it prints, how it ends, and what
its exit status says."""

import os
import pty
import re
import signal
import subprocess
import time
import urllib.request

from xo.common import ROOT
from xo.qemu import Guest, Machine
from xo.testing import cases, limit


class Run:
    """A running ./xo run, its output in a file."""

    def __init__(self, t, *words, ignore=(), stdin=subprocess.DEVNULL):
        def prepare():
            for number in ignore:
                signal.signal(number, signal.SIG_IGN)
        self.t = t
        self.path = t.work / f"output-{time.monotonic_ns()}"
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(
                [str(ROOT / "xo"), "run", *words], stdin=stdin, stdout=out, stderr=out,
                preexec_fn=prepare, env=dict(os.environ, XO_BUILD=str(t.folder)))

    def output(self):
        return self.path.read_text(errors="replace")

    def wait_for(self, pattern, timeout=25):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found = re.search(pattern, self.output(), re.MULTILINE)
            if found:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        return self.t.fail(f"xo never said {pattern!r}; it said:\n{self.output()}")

    def qemu(self):
        """The process ids of the QEMUs below this run."""
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children, encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def end(self, timeout=10):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.t.fail(f"xo did not end within {timeout} s; it said:\n{self.output()}")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def _gone(t, pids):
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        # A zombie that init has not reaped yet runs no more either.
        if not any(os.path.exists(f"/proc/{pid}") and
                   open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()[0] != "Z"
                   for pid in pids):
            return
        time.sleep(0.05)
    t.fail(f"QEMU still runs: {pids}")


@limit(60)
@cases("INT", "TERM")
def test_ends_on_signal_even_if_inherited_as_ignored(t, case):
    number = signal.Signals[f"SIG{case}"]
    with Run(t, "httpd", "--accel", "tcg", ignore=[number]) as run:
        run.wait_for(r"httpd is ready: open http://127\.0\.0\.1:\d+/")
        run.wait_for(r"^init: running")
        qemu = run.qemu()
        t.check(qemu, "there is no QEMU below xo")
        run.process.send_signal(number)
        t.equal(run.end(), 0, "exit status")
        _gone(t, qemu)
    t.match(run.output().strip().splitlines()[-1], f"stopped \\(SIG{case}\\)")


@limit(60)
def test_address_answers(t):
    with Run(t, "httpd", "--accel", "tcg") as run:
        url = run.wait_for(r"httpd is ready: open (\S+)")[1]
        with urllib.request.urlopen(url, timeout=10) as answer:
            t.equal(answer.status, 200)
            t.check(b"<html" in answer.read().lower(), "no page came")
        run.process.terminate()
        run.end()


@limit(60)
def test_published_port_is_the_one_asked_for(t):
    with Run(t, "httpd", "--accel", "tcg", "--boot", "pvh", "--publish", "18765:80") as run:
        t.equal(run.wait_for(r"httpd is ready: open (\S+)")[1], "http://127.0.0.1:18765/")
        run.process.terminate()
        run.end()


@limit(60)
def test_a_port_that_no_manifest_names_is_published_too(t):
    with Run(t, "echo", "--accel", "tcg", "--boot", "pvh", "--publish", "18766:99/udp") as run:
        run.wait_for(r"echo is ready: udp 127\.0\.0\.1:18766")
        run.process.terminate()
        run.end()


@limit(60)
def test_packets_are_recorded(t):
    file = t.work / "packets.pcap"
    with Run(t, "httpd", "--accel", "tcg", "--boot", "pvh", "--pcap", str(file)) as run:
        url = run.wait_for(r"httpd is ready: open (\S+)")[1]
        urllib.request.urlopen(url, timeout=10).close()
        run.process.terminate()
        run.end()
    t.equal(file.read_bytes()[:4], b"\xd4\xc3\xb2\xa1", "the file's magic number")
    t.check(b"HTTP/1.1 200" in file.read_bytes(), "the page is not in it")


@limit(60)
def test_ends_when_nobody_reads(t):
    run = subprocess.run(f"{ROOT}/xo run httpd --accel tcg --boot pvh | head -1", shell=True, timeout=40,
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                         env=dict(os.environ, XO_BUILD=str(t.folder)))
    t.match(run.stdout, "^exo: ")


@limit(60)
def test_killed_xo_leaves_no_qemu(t):
    with Run(t, "httpd", "--accel", "tcg", "--boot", "pvh") as run:
        run.wait_for(r"^init: running")
        qemu = run.qemu()
        run.process.kill()
        run.process.wait()
        _gone(t, qemu)


@limit(60)
def test_program_that_ends(t):
    with Run(t, "hello", "--accel", "tcg") as run:
        t.equal(run.end(40), 0, "exit status")
    t.match(run.output(), r"(?m)^hello: ")


@limit(60)
def test_time_limit_is_a_failure(t):
    with Run(t, "httpd", "--accel", "tcg", "--boot", "pvh", "--timeout", "3") as run:
        t.equal(run.end(40), 124, "exit status")


@limit(60)
def test_failing_program_is_a_failure(t):
    manifest = t.manifest("program hello\n  memory 4M\n  console yes\n  expect exit 7\n")
    with Run(t, str(manifest), "--accel", "tcg", "--boot", "pvh") as run:
        t.check(run.end(40) != 0, "a program that ended unexpectedly was a success")
    t.match(run.output().strip().splitlines()[-1], "failed")


@limit(30)
def test_program_that_was_not_built(t):
    manifest = t.manifest("program nobody-wrote-it\n  memory 4M\n")
    with Run(t, str(manifest), "--accel", "tcg", "--boot", "pvh") as run:
        t.equal(run.end(25), 1, "exit status")
    t.match(run.output(), "there is no program nobody-wrote-it")


@limit(30)
@cases("--publish x", "--net carrier-pigeon", "--boot floppy", "--smp many")
def test_bad_option(t, case):
    with Run(t, "httpd", "--accel", "tcg", "--timeout", "5", *case.split()) as run:
        t.check(run.end(25) not in (0, 124), f"{case} was accepted")


@limit(60)
def test_image_boots(t):
    iso = t.work / "image.iso"
    done = t.xo("image", "hello", "-o", iso, environment={"XO_BUILD": str(t.folder)})
    t.equal(done.returncode, 0, done.stderr)
    t.equal(iso.read_bytes()[0x8001:0x8006], b"CD001")
    for drive in ([], ["-drive", f"format=raw,file={iso}"]):  # as a CD, and as a disk
        machine = Machine(iso=None if drive else iso, memory="64M", extra=drive)
        with Guest(machine, log=t.work / "boot.log") as guest:
            t.equal(guest.wait(20), t.OK, "exit status")
            t.check(guest.wait_line("^hello: hello", 1), "hello said nothing")


@limit(60)
def test_table(t):
    done = t.xo("run", "pipeline", "--table", "--net", "none", "--timeout", "50", environment={"XO_BUILD": str(t.folder)})
    t.equal(done.returncode, 0, done.stdout + done.stderr)
    t.match(done.stdout, r"init: +program +state +frames/limit +owned +frozen ")
    t.match(done.stdout, r"init: +init +runs +\d+/\d+ ")
    t.match(done.stdout, r"init: +consumer +(runs|waits) +\d+/512 .* 1 +8 +\d+ ")  # one channel, eight places of one frame


@limit(60)
def test_key(t):
    """What a person types at a terminal arrives; Ctrl-C there ends the guest."""
    ours, theirs = pty.openpty()
    run = Run(t, "httpd", stdin=theirs)
    try:
        run.wait_for("^httpd: ready|init: running")
        os.write(ours, b"t\n")
        run.wait_for(r"^init: +httpd +(runs|waits) ")
    finally:
        run.process.send_signal(signal.SIGINT)
        status = run.process.wait(10)
        os.close(ours)
        os.close(theirs)
    t.equal(status, 0, run.output())


@limit(60)
def test_gdb_stops_in_the_kernel_with_names(t):
    done = t.xo("gdb", "hello", "--batch", "--ex", "hbreak kernel_main", "--ex", "continue", "--ex", "bt 3",
                environment={"XO_BUILD": str(t.folder)})
    t.match(done.stdout, r"kernel_main \(.*\) at ")


@limit(30)
def test_help_everywhere(t):
    t.equal(t.xo("--help").returncode, 0)
    for command in ("run", "test", "image", "gdb", "doctor", "new"):
        done = t.xo(command, "--help")
        t.equal(done.returncode, 0, command)
        t.match(done.stdout, "example: ./xo")
