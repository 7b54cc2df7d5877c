# SPDX-License-Identifier: MIT
"""The libos from inside: threads, memory, files, signals over libc. The guest programs count
their own failures and init compares their exit status with the manifest."""

from xo.testing import limit


def _ended_well(t, guest):
    status = guest.wait_exit(80)
    for line in guest.lines:
        t.check("FAILED" not in line, line)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")


@limit(90)
def test_libos(t):
    guest = t.boot("libos.manifest")
    _ended_well(t, guest)
    for case in ("preemption", "cancellation", "signals"):
        guest.wait_line(f"ok {case}$", 1)
    named = [line for line in guest.lines if "swapon" in line]
    t.equal(len(named), 1, "lines that name an unimplemented call")


@limit(60)
def test_ends(t):
    """Exit, abort, signals, stack overflow, no memory, bad pointers: each as the manifest expects, each said clearly."""
    guest = t.boot("ends.manifest", memory="128M")
    status = guest.wait_exit(50)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")
    guest.wait_line(r"^e-status: atexit\(\) was called", 1)
    guest.wait_line(r"^e-eat: out of memory", 1)
    guest.wait_line(r"^e-hoard: malloc\(\) said no", 1)
    guest.wait_line(r"^e-abort: ended by signal 6", 1)
    guest.wait_line(r"#\d+ .*  abort\+", 1)
    guest.wait_line(r"^e-overflow: .*stack", 1)
    guest.wait_line(r"#\d+ .*  recurse\+", 1)


@limit(90)
def test_stress(t):
    """Two programs whose threads do everything at once while slots end anywhere."""
    guest = t.boot("stress.manifest", memory="96M")
    _ended_well(t, guest)


@limit(90)
def test_reclaim(t):
    """Memory asked back from programs that give it, slowly or not at all; each goes on working."""
    guest = t.boot("reclaim.manifest", memory="128M", net="none")
    _ended_well(t, guest)
    guest.wait_line("^init: zeros gave 1024 frames back, 0 pages by force$", 1)
    guest.wait_line("^init: cache gave 1024 frames back, 0 pages by force$", 1)
    guest.wait_line("^cache: cache: 1024 frames less, [0-9]+ given, 0 signals, 0 pages lost, 0 large$", 1)
    guest.wait_line("^init: slow gave 1024 frames back, [1-9][0-9]+ pages by force$", 1)
    guest.wait_line("^init: refuse gave 1024 frames back, [1-9][0-9]{2,3} pages by force$", 1)
    guest.wait_line("^refuse: refuse: 1024 frames less, 0 given, [1-9] signals, [1-9][0-9]{2,3} pages lost, 0 large$", 1)
    guest.wait_line("^drop: drop: 1024 frames less, 0 given, 0 signals, [1-9][0-9]{2,3} pages lost, 0 large$", 1)
    guest.wait_line("^careless: the memory at [0-9a-f]+ was taken away: the parent wanted it back$", 1)
    guest.wait_line("^init: greedy was asked for more memory than it can be made to give: ", 1)


@limit(90)
def test_reclaim_large(t):
    """The same of programs whose memory is in large pages: in parts, and by force in the middle of one."""
    guest = t.boot("reclaim_large.manifest", memory="128M", net="none")
    _ended_well(t, guest)
    guest.wait_line("^init: l-zeros gave 1024 frames back, 0 pages by force$", 1)
    guest.wait_line("^l-zeros: zeros: 1024 frames less, 0 given, 0 signals, 0 pages lost, 1 large$", 1)
    guest.wait_line("^init: l-cache gave 1024 frames back, 0 pages by force$", 1)
    guest.wait_line("^l-cache: cache: 1024 frames less, [0-9]+ given, 0 signals, 0 pages lost, 1 large$", 1)
    guest.wait_line("^init: l-slow gave 1024 frames back, [1-9][0-9]+ pages by force$", 1)
    guest.wait_line("^init: l-refuse gave 1024 frames back, [1-9][0-9]{2,3} pages by force$", 1)
    guest.wait_line("^l-refuse: refuse: 1024 frames less, 0 given, [1-9] signals, [1-9][0-9]{2,3} pages lost, 1 large$", 1)
    guest.wait_line("^l-drop: drop: 1024 frames less, 0 given, 0 signals, [1-9][0-9]{2,3} pages lost, 1 large$", 1)
    guest.wait_line("^l-drop-all: drop-all: 1024 frames less, .* 1 large$", 1)
    guest.wait_line("^l-careless: the memory at [0-9a-f]+ was taken away: the parent wanted it back$", 1)
