# SPDX-License-Identifier: MIT
"""Programs that init must refuse to start: damaged files, too little memory of their own."""

from xo import pack
from xo.testing import cases, limit


def _spoil(elf, case):
    elf = bytearray(elf)
    table = int.from_bytes(elf[32:40], "little")
    if case == "empty":
        return b""
    if case == "a script":
        return b"#!/bin/sh\necho hello\n"
    if case == "cut in its headers":
        return bytes(elf[:100])
    if case == "cut in its code":
        return bytes(elf[:5000])
    if case == "for another machine":
        elf[18:20] = (183).to_bytes(2, "little")
    if case == "at the archive's place":
        elf[table + 56 + 16:table + 56 + 24] = (0x100000001000).to_bytes(8, "little")
    if case == "in the kernel":
        elf[table + 56 + 16:table + 56 + 24] = (0xffffffff80001000).to_bytes(8, "little")
    if case == "a segment of 2^63 bytes":
        elf[table + 56 + 40:table + 56 + 48] = (1 << 63).to_bytes(8, "little")
    if case == "entry nowhere":
        elf[24:32] = (0x7fff0000).to_bytes(8, "little")
    if case == "writable code":
        elf[table + 56 + 4:table + 56 + 8] = (7).to_bytes(4, "little")
    return bytes(elf)


@limit(20)
@cases("empty", "a script", "cut in its headers", "cut in its code", "for another machine", "at the archive's place",
       "in the kernel", "a segment of 2^63 bytes", "entry nowhere", "writable code")
def test_bad_program(t, case):
    files = [(name, _spoil(content, case) if name == "hello" else content)
             for name, content in t.files("hello")]
    guest = t.boot(archive=pack.archive(files))
    t.equal(guest.wait_exit(10), t.BOOT_FAILED, "exit status")
    guest.wait_line(r"^init: hello: (not a valid program: |there is no file)", 1)


@limit(20)
def test_too_little_for_a_program(t):
    guest = t.boot("program hello\n  memory 256K\n  console yes\n")
    t.equal(guest.wait_exit(10), t.BOOT_FAILED, "exit status")
    guest.wait_line(r"^init: manifest:1: hello needs at least \d+ KiB", 1)


@limit(20)
def test_wrong_end(t):
    """A program that ends well but not as expected fails the machine."""
    guest = t.boot("program hello\n  memory 4M\n  console yes\n  expect exit 7\n")
    t.equal(guest.wait_exit(10), t.PROGRAM_FAILED, "exit status")
    guest.wait_line(r"^init: hello did not end as expected", 1)
