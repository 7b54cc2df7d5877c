# SPDX-License-Identifier: MIT
"""A network of its own for a test: a private network namespace with one tap
interface, QEMU on its one end and real clients on the other. Needs root; the
namespace has no name, so it is gone when its last user is, however that ends."""

import contextlib
import ctypes
import os
import subprocess

from .common import Problem

CLONE_NEWNET = 0x40000000
NAMESPACE = "/proc/thread-self/ns/net"


class NoTap(Exception):
    """Why there can be no tap here."""


def _call(function, *arguments):
    if function(*arguments) != 0:
        raise NoTap(os.strerror(ctypes.get_errno()))


class Tap:
    """`with Tap() as tap: with tap.inside(): ...` Sockets and processes made inside live there."""

    def __init__(self, address="10.0.2.2/24", name="tap0"):
        if os.geteuid() != 0:
            raise NoTap("needs root")
        if not os.path.exists("/dev/net/tun"):
            raise NoTap("there is no /dev/net/tun")
        self.name = name
        self.net = f"tap={name}"
        self.address = address.partition("/")[0]
        self._libc = ctypes.CDLL(None, use_errno=True)
        home = os.open(NAMESPACE, os.O_RDONLY)
        try:
            _call(self._libc.unshare, CLONE_NEWNET)
            self._namespace = os.open(NAMESPACE, os.O_RDONLY)
            for words in (["link", "set", "lo", "up"],
                          ["tuntap", "add", name, "mode", "tap"],
                          ["addr", "add", address, "dev", name],
                          ["link", "set", name, "up"]):
                self._ip(words)
        finally:
            self._libc.setns(home, CLONE_NEWNET)
            os.close(home)

    @staticmethod
    def _ip(words):
        try:
            subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        except FileNotFoundError:
            raise NoTap("iproute2 is not installed") from None
        except subprocess.CalledProcessError as error:
            raise NoTap(f"ip {' '.join(words)}: {error.stdout.strip()}") from None

    @contextlib.contextmanager
    def inside(self):
        """This thread is in the namespace for the time of the block."""
        home = os.open(NAMESPACE, os.O_RDONLY)
        try:
            _call(self._libc.setns, self._namespace, CLONE_NEWNET)
            yield self
        finally:
            if self._libc.setns(home, CLONE_NEWNET) != 0:
                raise Problem("could not leave the test's network namespace")
            os.close(home)

    def neighbour(self, address, mac):
        """A fixed ARP entry, so that a first packet does not wait for an answer."""
        with self.inside():
            self._ip(["neigh", "replace", address, "lladdr", mac, "dev", self.name, "nud", "permanent"])

    def close(self):
        if self._namespace is not None:
            os.close(self._namespace)
            self._namespace = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
