# SPDX-License-Identifier: MIT
"""apps/forward: standing plans of a program that sleeps move each packet's frame to another program. What it costs the sleeper is counted
by the kernel in its info page, and who has which frame is read in the resource table."""

import contextlib
import fcntl
import itertools
import os
import socket
import struct
import time

from xo.testing import cases, limit

EXAMPLE = """\
program forwarder
  memory 2M
  net mac=52:54:00:12:34:58 ip=10.0.2.17/24 broadcast
  console yes
  expect exit 0
program worker
  memory 2M
  args {answers}
  console yes
  expect exit 0
channel packets from forwarder to worker places 32 frames 1
channel empty from worker to forwarder places 32 frames 1
channel answers from worker to forwarder places 32 frames 1
"""

# The worker takes a packet when it is told to, and the channel to it has four places.
SLOW = """\
program forwarder
  memory 2M
  net mac=52:54:00:12:34:58 ip=10.0.2.17/24
  console yes
  expect exit 0
program worker
  file kernel-packets
  memory 2M
  net mac=52:54:00:12:34:59 ip=10.0.2.18/24
  console yes
  expect exit 0
program keeper
  file kernel-packets
  memory 1M
  console yes
channel packets from forwarder to worker places 4 frames 1
channel empty from worker to forwarder places 32 frames 1
channel answers from worker to forwarder places 1 frames 1
"""
NUMBERS = itertools.count(1)  # of orders
FRAMES, PLANS, PLACES = 32, 16, 4  # that go round; of the forwarder's that receive; of the channel above
LIMIT = 512                        # frames of forwarder and worker, each

WOKEN = r"^forwarder: woken by: the object has ended; (\d+) wake-ups, (\d+) crossings, (\d+) switches$"
COUNTS = r"^forwarder: (\d+) packets came, (\d+) found no frame, (\d+) were sent$"
ROW = r"^(?:\S+ +)?init: +{} +(?:runs|waits) +(\d+)/(\d+) +(\d+) (.*)$"


def table(guest, names):
    """Of the resource table as it is now: {name: (frames, limit, owned, the rest)}, without the state."""
    start = len(guest.lines)
    guest.type(b"t\n")
    found = {}
    for name in names:
        used, most, owned, rest = guest.wait_line(ROW.format(name), 10, start).groups()
        found[name] = int(used), int(most), int(owned), rest.split()
    return found


def rows(guest, *names):
    """The same, once nothing moves any more."""
    found, before = table(guest, names), None
    while found != before:
        time.sleep(0.1)
        found, before = table(guest, names), found
    return found


def payload(number):
    """Different in length and bytes."""
    return b"%d " % number + bytes((number * 7 + i) % 251 for i in range(number * 37 % 1400))


def echo_all(client, first, end, window=8):
    """Sends these datagrams, some at a time, and takes their answers: in order, each whole. One that the way here loses is not sent
    again."""
    sent = first
    for number in range(first, end):
        while sent < end and sent < number + window:
            client.send(payload(sent))
            sent += 1
        answer = client.recv(2000)
        if answer != payload(number):
            raise AssertionError(f"answer {number}: {answer[:20]!r} of {len(answer)} bytes")


@cases("user", "tap")
@limit(60)
def test_forward(t, net):
    """What it costs the forwarder does not depend on how many packets come: it wakes once, for the worker's end."""
    costs = []
    for count in 40, 540:
        tap = t.tap() if net == "tap" else None
        guest = t.boot(EXAMPLE.format(answers=count), tap=tap)
        address = guest.reach("worker", "udp", 7)
        if tap:
            tap.neighbour(address[0], "52:54:00:12:34:58")
            with tap.inside():
                client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        else:
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with client:
            client.settimeout(10)
            client.connect(address)
            echo_all(client, 0, 20)
            before = rows(guest, "forwarder", "worker")
            echo_all(client, 20, count - 1)
            t.equal(rows(guest, "forwarder", "worker"), before, "who has what, before and after the packets")
            echo_all(client, count - 1, count)
        t.equal(guest.wait_exit(10), t.OK, f"exit status (the last lines:\n{guest.tail()})")
        costs.append([int(word) for word in guest.wait_line(WOKEN, 1).groups()])
        came, dropped, sent = (int(word) for word in guest.wait_line(COUNTS, 1).groups())
        answered = guest.wait_line(r"^worker: answered (\d+) datagrams, 0 pings, (\d+) questions", 1)
        t.equal(int(answered[1]), count, "datagrams that the worker answered")
        t.equal(sent, count + int(answered[2]), "answers that were sent")
        t.check(came >= sent, f"{came} packets came and {sent} were answered")
        if net == "user":  # a host speaks on a tap of itself, before there is a frame for it
            t.equal(dropped, 0, "packets that found no frame")
        guest.wait_line(r"^forwarder: frames left of theirs: 0$", 1)
    t.equal([cost[:2] for cost in costs], [[1, 1]] * 2, "wake-ups and crossings for 40 packets and for 540")
    for _, _, switches in costs:  # to wake; and each time that a slot ended on its way into the kernel
        t.check(switches <= 3, f"{switches} switches to its address space")
    return "540 packets: 1 wake-up, 1 crossing"


def slow_boot(t, tap):
    guest = t.boot(SLOW, tap=tap)
    guest.wait_line(r"^worker: ready", 20)
    tap.neighbour("10.0.2.17", "52:54:00:12:34:58")
    tap.neighbour("10.0.2.18", "52:54:00:12:34:59")
    with tap.inside():
        client, master = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    client.connect(("10.0.2.17", 7))
    master.connect(("10.0.2.18", 9))
    return guest, client, master


def tell(guest, master, letter, count=0):
    """Told until it was heard: an order that finds no buffer is dropped like any packet."""
    start, number = len(guest.lines), next(NUMBERS)
    for _ in range(20):
        master.send(f"{letter} {number} {count}".encode())
        if found := guest.try_line(rf"^worker: did {letter} {number}, has (\d+), next (\d+), flags \d+$", 0.5, start):
            return found
    raise AssertionError(f"the worker did not hear {letter} {number}:\n{guest.tail()}")


@limit(60)
def test_pressure(t):
    """A worker that takes nothing: packets come for as long as there are places and plans, then they are dropped and counted. Not one
    that came is lost, and the frames are with whom the packets are."""
    guest, client, master = slow_boot(t, t.tap())
    with client, master:
        begun = rows(guest, "forwarder", "worker")
        room = PLACES + PLANS
        for number in range(100):  # the first ones come; what comes before the plans that had room go on is lost
            client.send(b"%d" % number)
        for number in range(100, 108):  # the last ones that there is room for
            tell(guest, master, "t")
            client.send(b"%d" % number)
        tell(guest, master, "t")
        full = rows(guest, "forwarder", "worker")
        # Sixteen are in SENDs that wait, as the sender's, and four in places that the worker had paid for already.
        t.equal([full[name][0] - begun[name][0] for name in ("forwarder", "worker")], [0, 0], "frames more, when it is full")
        tell(guest, master, "t", room)
        taken = rows(guest, "forwarder", "worker")
        for at, name, change in (0, "worker", room), (2, "worker", room), (0, "forwarder", FRAMES - room - PLANS), (2, "forwarder", FRAMES - room - PLANS):
            t.equal(taken[name][at] - begun[name][at], change, f"frames that {name} has more (column {at})")
        tell(guest, master, "g")
        t.equal(rows(guest, "forwarder", "worker"), begun, "who has what, when all were given back")
        for number in range(200, 210):  # and it goes on
            client.send(b"%d" % number)
        t.equal(tell(guest, master, "t", 10).groups(), ("10", "210"), "packets taken, and the next one")
        tell(guest, master, "x")
        found = guest.wait_line(COUNTS, 10)
        t.equal([int(word) for word in found.groups()], [room + 10, 108 - room, 0], "came, dropped, sent")
    t.check(not any("FAILED" in line for line in guest.lines), guest.tail())


@cases("idle", "full", "taken")
@limit(60)
def test_death(t, state):
    """The worker ends while plans wait for packets, for room, and with frames of theirs in its hands: each plan ends, the forwarder learns
    why, and not a frame is missing."""
    guest, client, master = slow_boot(t, t.tap())
    with client, master:
        before = rows(guest, "init")["init"]
        if state != "idle":
            for number in range(100):
                client.send(b"%d" % number)
        tell(guest, master, "t", 10 if state == "taken" else 0)
        tell(guest, master, "x")
        woken = guest.wait_line(WOKEN, 10)
        t.equal(woken.groups()[:2], ("1", "1"), "wake-ups and crossings")
        guest.wait_line(r"^forwarder: frames left of theirs: 0$", 10)
        guest.wait_line(r"^init: forwarder exited with status 0$", 10)
        after = rows(guest, "init")["init"]
        t.equal(after[1] - before[1], 2 * LIMIT, "frames of limit that came back")
    t.check(not any("FAILED" in line for line in guest.lines), guest.tail())


NEEDS_CSUM = 1                  # in front of a frame that a host hands over (struct virtio_net_hdr)
CSUM_VALID, CSUM_NEEDED = 1, 2  # of EXO_RX_...
TUNSETIFF = 0x400454ca
TAP_FLAGS = 0x0002 | 0x1000 | 0x4000 | 0x0010  # IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_NAPI
UDP, TCP = 17, 6


@contextlib.contextmanager
def neighbour_card(t, tap):
    """A second tap in a bridge with the guest's. Who writes to it says whether a checksum was computed; TCP's are verified by
    this machine's kernel on their way, as by a card."""
    with tap.inside():
        card = os.open("/dev/net/tun", os.O_RDWR)
    with os.fdopen(card, "wb", buffering=0) as file, tap.inside():
        try:
            fcntl.ioctl(card, TUNSETIFF, struct.pack("16sH22x", b"tap1", TAP_FLAGS))
        except OSError as problem:
            t.skip(f"no tap that looks at checksums: {problem}")
        for words in ("link add br0 type bridge", "link set tap0 master br0", "link set tap1 master br0",
                      "link set tap1 up", "link set br0 up"):
            said = t.run("ip", *words.split(), check=False)
            if said.returncode:
                t.skip(f"ip {words}: {said.stdout.strip()}")
        yield file


def order_frame(number, protocol, sum_right):
    """An order to the worker, as a datagram or a TCP segment."""
    text = b"t %d 0" % number
    ends = bytes([10, 0, 2, 3, 10, 0, 2, 18])
    head = struct.pack(">HHHH", 7000, 9, 8 + len(text), 0) if protocol == UDP else struct.pack(">HHIIBBHHH", 7000, 9, 1, 1, 0x50, 0x10, 99, 0, 0)
    at = 6 if protocol == UDP else 16  # of the checksum
    data = head + text
    total = internet_sum(ends + struct.pack(">HH", protocol, len(data)) + data)
    data = data[:at] + struct.pack(">H", total ^ (0 if sum_right else 0x1234)) + data[at + 2:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), 0, 0, 64, protocol, 0) + ends
    ip = ip[:10] + struct.pack(">H", internet_sum(ip)) + ip[12:]
    return bytes.fromhex("525400123459 525400aaaaaa 0800") + ip + data


def internet_sum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


@limit(60)
def test_checksums(t):
    """NET_RX tells what the card knows of a transport checksum: verified, never computed, or nothing. The kernel looks at none itself,
    so a packet whose checksum is wrong comes as well, and is not called good."""
    tap = t.tap()
    guest, client, master = slow_boot(t, tap)
    with client, master, neighbour_card(t, tap) as card:
        for protocol, known, right, told in ((TCP, 0, True, CSUM_VALID), (TCP, 0, False, 0),
                                             (UDP, 0, False, 0), (UDP, NEEDS_CSUM, False, CSUM_NEEDED)):
            start, number = len(guest.lines), next(NUMBERS)
            header = struct.pack("=BBHHHH", known, 0, 0, 0, *((34, 6) if known else (0, 0)))
            for _ in range(20):  # an order may find no buffer
                card.write(header + order_frame(number, protocol, right))
                if found := guest.try_line(rf"^worker: did t {number}, .* flags (\d+)$", 0.5, start):
                    break
            t.check(found, f"no packet with the flags {known} came:\n{guest.tail()}")
            t.equal(int(found[1]), told, f"flags of protocol {protocol}, {known} to be computed, checksum {'right' if right else 'wrong'}")
