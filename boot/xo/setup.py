# SPDX-License-Identifier: MIT
"""Makes sure that the tools are there: on Debian by installing packages, after
asking (a terminal) or at once (--yes, CI=true, no terminal), and elsewhere by
saying exactly what is missing. Upstream sources are the business of ports.py."""

import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .common import CACHE, Problem, say

# What is needed, how to see that it is there, and Debian's package for it.
BUILDING = [
    ("gcc", "gcc", "gcc"),
    ("the host's C library", "/usr/include/stdlib.h", "libc6-dev"),
    ("meson", "meson", "meson"),
    ("ninja", "ninja", "ninja-build"),
    ("pkg-config", "pkg-config", "pkg-config"),
    ("make", "make", "make"),
    ("patch", "patch", "patch"),
    ("objcopy", "objcopy", "binutils"),
    ("xz", "xz", "xz-utils"),
]
BOOTING = [
    ("QEMU", "qemu-system-x86_64", "qemu-system-x86"),
    ("grub-mkimage", "grub-mkimage", "grub-common"),
    ("GRUB's modules", "/usr/lib/grub/i386-pc/multiboot2.mod", "grub-pc-bin"),
    ("xorriso", "xorriso", "xorriso"),
]
TESTING = [
    ("check", "/usr/include/check.h", "check"),
    ("clang", "clang", "clang"),
    ("clang's libFuzzer", "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a", "libclang-rt-dev"),
    ("curl", "curl", "curl"),
]
TESTING_AS_ROOT = [
    ("ip", "ip", "iproute2"),
    ("ping", "ping", "iputils-ping"),
]
DEBUGGING = [("gdb", "gdb", "gdb")]


def tools(purpose):
    """The list for one of: build, run, test, gdb."""
    wanted = BUILDING + BOOTING
    if purpose == "test":
        wanted = wanted + TESTING + (TESTING_AS_ROOT if os.geteuid() == 0 else [])
    if purpose == "gdb":
        wanted = wanted + DEBUGGING
    return wanted


def present(sign):
    if sign.startswith("/"):
        return bool(glob.glob(sign))
    return bool(shutil.which(sign) or shutil.which(sign, path="/usr/sbin:/sbin"))


def missing(purpose):
    return [tool for tool in tools(purpose) if not present(tool[1])]


def _agreed(packages, yes):
    if yes or os.environ.get("CI") == "true" or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    print(f"These Debian packages are missing: {' '.join(packages)}", file=sys.stderr)
    print("Install them now? [Y/n] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("", "y", "yes")


def _apt(words, log):
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    with open(log, "ab") as out:
        return subprocess.run(["apt-get", *words], stdin=subprocess.DEVNULL, stdout=out,
                              stderr=subprocess.STDOUT, env=environment, check=False).returncode == 0


def ensure(purpose, yes=False):
    lacking = missing(purpose)
    if not lacking:
        return
    packages = [package for _, _, package in lacking]
    install = f"apt-get install --yes --no-install-recommends {' '.join(packages)}"
    if not shutil.which("apt-get"):
        raise Problem("missing on this machine: " + ", ".join(name for name, _, _ in lacking),
                      "install them with your system's package manager "
                      f"(Debian calls the packages: {' '.join(packages)})")
    if os.geteuid() != 0:
        raise Problem(f"Debian packages are missing: {' '.join(packages)}",
                      f"as root, run: apt-get update && {install}")
    if not _agreed(packages, yes):
        raise Problem("nothing was installed", f"as root, run: {install}")

    CACHE.mkdir(parents=True, exist_ok=True)
    log = CACHE / "apt-install.log"
    log.unlink(missing_ok=True)
    say(f"installing {len(packages)} Debian packages ({' '.join(packages)}) ...")
    words = install.split()[1:]
    if not _apt(words, log):
        say("that failed; updating apt's package lists and trying again ...")
        if not _apt(["update"], log) or not _apt(words, log):
            tail = "\n".join("    " + line for line in
                             log.read_text(errors="replace").splitlines()[-15:])
            raise Problem(f"apt-get could not install them:\n{tail}",
                          f"check the network and apt's sources; the whole log is in {Path(log)}")
    lacking = missing(purpose)
    if lacking:
        raise Problem("still missing after installing: " + ", ".join(name for name, _, _ in lacking))
