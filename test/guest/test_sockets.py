# SPDX-License-Identifier: MIT
"""BSD sockets, poll and epoll over the loopback, in a guest. The program counts its own failures."""

from xo.testing import limit


@limit(60)
def test_sockets(t):
    guest = t.boot("sockets.manifest")
    status = guest.wait_exit(50)
    for line in guest.lines:
        t.check("FAILED" not in line, line)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")
    guest.wait_line("ok many$", 1)
