# SPDX-License-Identifier: MIT
"""Runs a load client (test/bench/client) against a guest, inside the guest's network."""

import contextlib
import json
import signal
import subprocess

from ..common import Problem
from ..qemu import _die_with_parent
from . import host


class Load:
    """One run of a client. With `gate` it stands ready after its warm-up until `release()`."""

    def __init__(self, running, client, port, options, seconds, gate=False):
        protocol = "udp" if client == "udp" else "tcp"
        address, port = running.reach(protocol, port)
        words = [str(host.client(client)), *map(str, options), "-t", str(seconds)]
        words += ["-g"] if gate else []
        self._limit = seconds + 30
        self._running = running
        with running.inside():
            self.process = subprocess.Popen(
                [*words, address, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=_die_with_parent)

    def ready(self):
        if self.process.stdout.readline() != "ready\n":
            self._running.alive()
            raise Problem(f"the load client failed: {self.process.stderr.read().strip()}")

    def release(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def result(self):
        """What it measured, as test/bench/client/client.c prints it."""
        try:
            line = self.process.stdout.readline()
            self.process.wait(self._limit)
        except subprocess.TimeoutExpired:
            raise Problem("the load client did not end") from None
        self._running.alive()
        if not line.startswith("{"):
            raise Problem(f"the load client failed: {self.process.stderr.read().strip()}")
        return json.loads(line)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def run(running, client, port, options, seconds):
    with Load(running, client, port, options, seconds) as load:
        return load.result()
