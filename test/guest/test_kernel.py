# SPDX-License-Identifier: MIT
"""The kernel from inside programs that use nothing but plans: each operation for real, with its errors, beside
each other. The programs count their own failures and init compares their exit status with the manifest."""

from xo.testing import cases, limit

# A case of each program that must have been run.
RAN = {"memory": "zeroed", "space": "freeze-runs", "envs": "killed", "grants": "cpu-give", "many": "many",
       "plans": "full-ring", "timers": "standing-late", "registers": "slices", "registers-two": "faults",
       "upcalls": "nesting", "net": "carved"}


@limit(90)
@cases("pvh", "grub")
def test_operations(t, case):
    guest = t.boot("kernel/kernel.manifest", boot=case)
    status = guest.wait_exit(80)
    for line in guest.lines:
        t.check("FAILED" not in line, line)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")
    for program, name in RAN.items():
        guest.wait_line(f"^{program}: ok {name}$", 1)
    # What the console showed: each line behind its label, nothing that could steer a terminal.
    guest.wait_line("^child-7: from a child's point of view$", 1)
    guest.wait_line("^child-7: and a second line$", 1)
    guest.wait_line(r"^grants: by frame number: tab\tcontrol\?\[31m\?end$", 1)
    t.equal(sum(line == "grants: " + "m" * 256 for line in guest.lines), 4, "lines of a long write")
