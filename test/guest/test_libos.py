# SPDX-License-Identifier: MIT
"""The libos from inside: threads, memory, files, signals over libc. The guest programs count
their own failures and init compares their exit status with the manifest."""

from xo.testing import limit


@limit(90)
def test_libos(t):
    guest = t.boot("libos.manifest")
    status = guest.wait_exit(80)
    for line in guest.lines:
        t.check("FAILED" not in line, line)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")
    for case in ("preemption", "cancellation", "signals"):
        guest.wait_line(f"ok {case}$", 1)
    named = [line for line in guest.lines if "swapon" in line]
    t.equal(len(named), 1, "lines that name an unimplemented call")
