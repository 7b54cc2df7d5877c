# SPDX-License-Identifier: MIT
"""Two programs with two network stacks, at the same time, on one card, each with
its own addresses, and real clients for both."""

import re
import socket
import sys
import time
from pathlib import Path

from xo.testing import cases, limit

sys.path.insert(0, str(Path(__file__).parent))
import client  # noqa: E402

# What `both` is, but with fixed addresses: on a tap nobody answers DHCP.
TAP = """
include ../../apps/guide as site
program httpd
  args -r /site
  memory 24M
  net mac=52:54:00:12:34:56 ip=10.0.2.15/24 broadcast
  archive yes
  console yes
program echo
  memory 2M
  net mac=52:54:00:12:34:57 ip=10.0.2.16/24 broadcast
  console yes
"""


def _exercise(t, guest, seconds):
    """Pages and datagrams side by side."""
    web, echo = guest.reach("httpd", "tcp", 80), client.Echo(guest.reach("echo", "udp", 7))
    status, headers, page = client.http(web)
    t.equal(status, 200)
    t.match(headers["content-type"], "^text/html")
    echo.start()
    pages, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        status, _, body = client.http(web)
        t.equal((status, body), (200, page), "page")
        pages += 1
    echo.stop()
    t.check(pages >= 10, f"only {pages} pages in {seconds} s")
    t.equal(echo.wrong, 0, "wrong datagrams")
    t.check(echo.answered >= echo.sent - 2 and echo.answered > 10,
            f"echo answered {echo.answered} of {echo.sent}")
    t.check(guest.exit_status is None, f"the guest ended:\n{guest.tail()}")
    t.check(not any(line.startswith(("exo: panic", "init: crash")) for line in guest.lines), guest.tail())
    return f"{pages} pages, {echo.answered} datagrams"


@limit(60)
@cases("pvh", "grub")
def test_user_network(t, boot):
    return _exercise(t, t.boot("both", boot=boot), 4)


@limit(60)
def test_tap(t):
    tap = t.tap()
    guest = t.boot(TAP, tap=tap)
    guest.wait_line("^init: running", 20)
    with tap.inside():
        return _exercise(t, guest, 4)


@limit(60)
@cases("httpd", "echo")
def test_ping(t, program):
    tap = t.tap()
    guest = t.boot(TAP, tap=tap)
    address = guest.address(program)
    guest.wait_line("^init: running", 20)
    for size in ("56", "1000", "0"):
        said = t.run("ping", "-n", "-c", "5", "-i", "0.2", "-W", "2", "-s", size, address, tap=tap)
        t.match(said, r"\b0% packet loss")


@limit(60)
def test_curl(t):
    guest = t.boot("both")
    url = guest.url("httpd")
    first = t.run("curl", "-sSi", "--max-time", "10", url)
    t.match(first, r"^HTTP/1.1 200 OK")
    t.match(first, r"(?i)<html")
    t.match(t.run("curl", "-sSI", "--max-time", "10", url), r"(?i)content-length: \d+")
    t.match(t.run("curl", "-sSi", "--max-time", "10", url + "no-such-page"), r"^HTTP/1.1 404 ")
    part = t.run("curl", "-sSi", "--max-time", "10", "-r", "0-9", url)
    t.match(part, r"^HTTP/1.1 206 ")
    t.match(part, r"(?i)content-range: bytes 0-9/\d+")
    t.match(part, r"(?s)\r\n\r\n.{10}$")
    # Ten requests, and curl says that it kept its one connection.
    many = t.run("curl", "-sS", "--max-time", "20", "-o", "/dev/null", "-w", "%{num_connects}\\n", *[url] * 10,
                 *["-o", "/dev/null"] * 9)
    t.equal(sum(map(int, many.split())), 1, "connections for ten requests")


@limit(60)
def test_eight_connections_at_once(t):
    guest = t.boot("both")
    web = guest.reach("httpd", "tcp", 80)
    page = client.http(web)[2]
    request = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
    connections = [socket.create_connection(web, 5) for _ in range(8)]
    for round_number in range(20):
        for connection in connections:
            connection.sendall(request)
        for connection in connections:
            answer = b""
            while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < len(page):
                piece = connection.recv(65536)
                t.check(piece, f"the server closed in round {round_number}")
                answer += piece
            t.equal(client.http_parse(answer)[2], page, "page")
    for connection in connections:
        connection.close()


@limit(60)
def test_sources_cannot_be_mixed_up(t):
    """Each MAC address answers ARP for its own IP address only, with its own."""
    tap = t.tap()
    guest = t.boot(TAP, tap=tap)
    for program, mac in (("httpd", "52:54:00:12:34:56"), ("echo", "52:54:00:12:34:57")):
        address = guest.address(program)
        t.run("ping", "-n", "-c", "1", "-W", "5", address, tap=tap)
        found = re.search(r"lladdr (\S+)", t.run("ip", "neigh", "show", address, tap=tap))
        t.equal(found and found[1], mac, f"the MAC address behind {address}")
