# SPDX-License-Identifier: MIT
"""Programs that their manifest connects: the example, and a standing plan between two others."""

from xo.testing import limit


@limit(60)
def test_pipeline(t):
    guest = t.boot("pipeline", net="none")
    t.equal(guest.wait_exit(50), t.OK, f"exit status (the last lines:\n{guest.tail()})")
    sent = guest.wait_line(r"^producer: sent 1000 pages, sum (\d+), with 4 frames$", 1)
    received = guest.wait_line(r"^consumer: received 1000 pages, sum (\d+), then: the object has ended$", 1)
    t.equal(sent.group(1), received.group(1), "what was sent and what came")


@limit(60)
def test_relay(t):
    guest = t.boot("kernel/channels.manifest", net="none")
    status = guest.wait_exit(50)
    for line in guest.lines:
        t.check("FAILED" not in line, line)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")
    guest.wait_line(r"^relay: relayed with [0-4] wake-ups, [0-8] crossings$", 1)
