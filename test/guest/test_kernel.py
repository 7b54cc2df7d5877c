# SPDX-License-Identifier: MIT
"""The kernel from inside programs that use nothing but plans: each operation for real, with its
errors. The programs count their own failures and init compares their exit status with the manifest."""

from xo.testing import cases, limit


@limit(60)
@cases("pvh", "grub")
def test_operations(t, case):
    guest = t.boot("kernel/kernel.manifest", boot=case)
    status = guest.wait_exit(50)
    for line in guest.lines:
        t.check("FAILED" not in line, line)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")
    for line in ("memory: ok freeze", "memory: ok zeroed"):
        guest.wait_line(line, 1)
