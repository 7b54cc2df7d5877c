# SPDX-License-Identifier: MIT
"""20,000 connections from one client address, one request each, the server closing
first, over 8,000 client ports: two and a half laps while the first connections'
TIME_WAIT has not run out. The cost at the end has to be what it was at the start."""

import selectors
import socket
import sys
import time
from pathlib import Path

from xo.testing import limit

sys.path.insert(0, str(Path(__file__).parent))
import client  # noqa: E402
from test_both import TAP  # noqa: E402

CONNECTIONS = 20000
PORTS = range(20000, 28000)
FLIGHT = 8
REQUEST = b"GET /index.html HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


class Flow:
    """One connection on its way: connect, ask, read to the end."""

    def __init__(self, selector, server, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("10.0.2.2", port))
        self.socket.connect_ex(server)
        self.started = time.monotonic()
        self.asked = False
        self.answer = b""
        selector.register(self.socket, selectors.EVENT_WRITE, self)

    def step(self, selector):
        """True once it is over."""
        if not self.asked:
            self.asked = True
            self.socket.send(REQUEST)
            selector.modify(self.socket, selectors.EVENT_READ, self)
            return False
        piece = self.socket.recv(65536)
        self.answer += piece
        if piece:
            return False
        selector.unregister(self.socket)
        self.socket.close()
        return True


def _storm(t, guest, server):
    """For each thousand of connections: seconds, instructions a connection, free frames
    of the machine; and the longest that one connection took."""
    selector = selectors.DefaultSelector()
    laps, costs, free, longest = [], [], [], 0.0
    opened = done = 0
    mark, counts = time.monotonic(), guest.counter.totals()[0]
    while done < CONNECTIONS:
        while opened < CONNECTIONS and opened - done < FLIGHT:
            Flow(selector, server, PORTS[opened % len(PORTS)])
            opened += 1
        ready = selector.select(10)
        t.check(ready, f"no answer for 10 s after {done} connections")
        for key, _ in ready:
            try:
                over = key.data.step(selector)
            except OSError as error:
                t.fail(f"connection {done} of {CONNECTIONS}: {error}")
            if over:
                t.equal(client.http_parse(key.data.answer)[0], 200, "status")
                done += 1
                longest = max(longest, time.monotonic() - key.data.started)
                if done % 1000 == 0:
                    laps.append(time.monotonic() - mark)
                    now = guest.counter.totals()[0]
                    costs.append((now - counts).norep / 1000)
                    free.append(guest.kernel_word("frames_free"))
                    mark, counts = time.monotonic(), now
    return laps, costs, free, longest


@limit(180)
def test_soak(t):
    tap = t.tap()
    guest = t.boot(TAP, tap=tap, count=True)
    server = guest.reach("httpd", "tcp", 80)
    with tap.inside():
        _, _, page = client.http(server)
        laps, costs, free, longest = _storm(t, guest, server)
        t.equal(client.http(server)[2], page, "the page after the storm")
    t.check(sum(laps) < 120, f"it took {sum(laps):.0f} s: TIME_WAIT may have run out in between")
    t.check(longest < 2.5, f"one connection took {longest:.1f} s")
    # Counted instructions, because other work on this machine moves times about.
    first, last = costs[1], costs[-1]
    t.check(last < first * 1.15, f"a connection cost {first:.0f} instructions at the start, {last:.0f} at the end")
    # Whatever leaks (connections, buffers, plan slots, frames) takes frames from the machine in the
    # end: a hundred bytes a connection would be three hundred frames.
    t.check(free[-1] >= free[7] - 16, f"free frames after each thousand of connections: {free}")
    t.check(not any(line.startswith(("exo: panic", "init: crash")) for line in guest.lines), guest.tail())
    return (f"{CONNECTIONS / sum(laps):.0f} connections/s, {first:.0f} instructions each "
            f"at the start, {last:.0f} at the end; {free[7]} frames free, then {free[-1]}")
