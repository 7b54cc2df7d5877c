# SPDX-License-Identifier: MIT
"""./xo doctor: what is there, what is missing and what to do about it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import accel, ports, setup
from .common import CACHE, Problem, green, red, shown, yellow


def _line(good, what, text, to_do=None):
    mark = green("ok     ") if good else (red("missing") if good is False else yellow("note   "))
    print(f"{mark} {what}: {text}")
    if to_do and not good:
        print(f"        to do: {to_do}")


def _version(sign):
    if sign.startswith("/"):
        return sign
    try:
        said = subprocess.run([sign, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=10,
                              check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return "installed"
    found = re.search(r"\d+(\.\d+)+", said)
    return found[0] if found else "installed"


def _tools():
    lacking = []
    for what, sign, package in dict.fromkeys(setup.tools("test") + setup.DEBUGGING):
        if setup.present(sign):
            _line(True, what, _version(sign))
        elif package == "gdb":
            _line(None, what, "not installed; only ./xo gdb needs it", "apt-get install gdb")
        else:
            lacking.append(package)
            _line(False, what, "not installed")
    return lacking


def _ports():
    for name in ("musl", "lwip"):
        recipe = ports.recipe_read(name)["source"]
        there = any(Path(CACHE).glob(f"{name}-{recipe['version']}-*"))
        fetched = (CACHE / "sources" / recipe["archive"]).is_file()
        state = "ready" if there else "fetched, will be built" if fetched else "will be fetched and built"
        _line(True if there else None, f"{name} {recipe['version']}", state)


def _acceleration():
    if not shutil.which("qemu-system-x86_64") or not shutil.which("gcc"):
        return
    try:
        problem = accel.kvm_problem()
    except (OSError, Problem) as error:
        problem = str(error)
    _line(None if problem else True, "KVM",
          f"not used ({problem}); emulation is, and everything works under it" if problem else
          "carries guests")


def _tap():
    if os.geteuid() != 0:
        _line(None, "tap networks", "need root; tests that use one will be skipped")
    elif not os.path.exists("/dev/net/tun"):
        _line(None, "tap networks", "there is no /dev/net/tun; tests that use one will be skipped")
    else:
        _line(True, "tap networks", "possible")


def doctor_command(arguments):
    del arguments
    lacking = _tools()
    _ports()
    _acceleration()
    _tap()
    CACHE.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(CACHE).free >> 20
    _line(None if free < 500 else True, "room on the disk", f"{free} MiB free at {shown(CACHE)}",
          "about 500 MiB are needed")
    if lacking:
        install = f"apt-get install --yes --no-install-recommends {' '.join(lacking)}"
        print(f"to install what is missing, as root: {install}")
        return 1
    print("ready: try ./xo run httpd")
    return 0
