# SPDX-License-Identifier: MIT
"""Chooses KVM or emulation. KVM is believed only after it has really carried a
tiny guest into long mode within two seconds; the answer is kept for this boot of
the machine and this QEMU."""

import os
import subprocess
from pathlib import Path

from .common import CACHE, ROOT, Problem, command, say
from .qemu import STATUS_OK, Guest, Machine


def _probe():
    """Why KVM cannot be used, or None when it can."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm is not there or not accessible"
    elf = CACHE / "probe.elf"
    source = ROOT / "boot" / "probe.S"
    if not elf.is_file() or elf.stat().st_mtime < source.stat().st_mtime:
        command(["gcc", "-nostdlib", "-static", "-no-pie", "-Wl,-Ttext-segment=0x100000",
                 "-Wl,--build-id=none", "-Wl,-e,probe_start", source, "-o", elf])
    with Guest(Machine(kernel=elf, accel="kvm", memory="32M", net="none")) as guest:
        status = guest.wait(2)
        if status == STATUS_OK:
            return None
        errors = guest.errors().splitlines()
        return errors[0].removeprefix("qemu-system-x86_64: ").removeprefix("error: ") if errors else "a guest did not reach long mode within two seconds"


def _key():
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    version = subprocess.run(["qemu-system-x86_64", "--version"], stdout=subprocess.PIPE,
                             text=True, check=False).stdout.splitlines()[:1]
    return f"{boot} {os.geteuid()} {version}"


def kvm_problem():
    CACHE.mkdir(parents=True, exist_ok=True)
    kept = CACHE / "kvm-probe"
    key = _key()
    if kept.is_file():
        old, _, answer = kept.read_text().partition("\n")
        if old == key:
            return answer or None
    answer = _probe()
    kept.write_text(f"{key}\n{answer or ''}")
    return answer


def choose(wanted):
    if wanted == "tcg":
        return "tcg"
    problem = kvm_problem()
    if wanted == "kvm" and problem:
        raise Problem(f"KVM does not work here: {problem}", "use --accel tcg (everything works under it)")
    if problem and os.path.exists("/dev/kvm"):
        say(f"not using KVM ({problem})")
    return "tcg" if problem else "kvm"
