# SPDX-License-Identifier: MIT
"""The raw-queue echo kept busy without a pause, many datagrams outstanding: slots end
in the middle of everything it does, and nothing may be lost, mixed up or stuck."""

import json
import sys
from pathlib import Path

from xo.bench import host
from xo.testing import limit

sys.path.insert(0, str(Path(__file__).parent))
from test_both import TAP  # noqa: E402

SECONDS = 6
LEAST = 10000  # fewer would hardly have met the end of a slot


@limit(60)
def test_echo_load(t):
    tap = t.tap()
    guest = t.boot(TAP, tap=tap)
    address, port = guest.reach("echo", "udp", 7)
    tap.neighbour(address, "52:54:00:12:34:57")
    said = t.run(host.client("udp"), "-c", "16", "-w", "0.2", "-t", str(SECONDS), address, str(port), tap=tap)
    found = json.loads(said.splitlines()[-1])
    t.equal(found["errors"], 0, "datagrams unanswered")
    t.check(found["done"] > LEAST, f"only {found['done']} echoes in {SECONDS} s")
    t.check(guest.exit_status is None, guest.tail())
    return f"{found['done']} echoes, {found['done'] / found['seconds']:.0f}/s"
