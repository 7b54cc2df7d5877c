# SPDX-License-Identifier: MIT
"""What the kernel says when it cannot start: a message and the exit status for a
failed boot, never a hang, a panic or success."""

from xo import pack
from xo.testing import cases, limit


def _refused(t, pattern, timeout=10, **boot):
    guest = t.boot(**boot)
    t.equal(guest.wait_exit(timeout), t.BOOT_FAILED, "exit status")
    guest.wait_line(r"^(exo|init): ", 1)
    guest.wait_line(pattern, 1)
    return guest


@limit(15)
def test_no_archive(t):
    _refused(t, r"^exo: .*archive", archive=b"")


@limit(15)
def test_no_archive_through_grub(t):
    _refused(t, r"^exo: .*archive", archive=b"", boot="grub")


NOT_ARCHIVES = {
    "zeros": bytes(65536),
    "noise": bytes((i * i * 31 + i) & 255 for i in range(65536)),
    "one byte": b"u",
    "one block": pack.archive([("init", b"")])[3584:4096],
    "text": b"ustar " * 10000,
    "fillers only": pack.archive([]) + pack.archive([]),
    "empty init": pack.archive([("init", b"")]),
    "init is text": pack.archive([("init", b"#!/bin/sh\n" * 1000)]),
    "init is a cut ELF header": pack.archive([("init", b"\x7fELF\x02\x01\x01")]),
}


@limit(15)
@cases(*NOT_ARCHIVES)
def test_not_an_archive(t, case):
    _refused(t, r"^exo: ", archive=NOT_ARCHIVES[case])


def _spoiled(raw, name):
    """The archive `raw` with one thing wrong."""
    init = 3584  # where the first real header is
    copy = bytearray(raw)
    if name == "checksum":
        copy[init + 148] ^= 1
    elif name == "size not octal":
        copy[init + 124:init + 135] = b"99999999999"
    elif name == "size beyond the end":
        copy[init + 124:init + 135] = b"77777777777"
        _sum(copy, init)
    elif name == "no magic":
        copy[init + 257:init + 262] = b"\0" * 5
        _sum(copy, init)
    elif name == "filler too long":
        copy[124:135] = b"00077777777"
        _sum(copy, 0)
    elif name == "data not at a page":
        return raw[512:]
    elif name == "cut inside init":
        return raw[:3 * 4096 + 100]
    elif name == "cut inside a header":
        return raw[:init + 200]
    return bytes(copy)


def _sum(raw, at):
    raw[at + 148:at + 156] = b" " * 8
    raw[at + 148:at + 156] = b"%06o\0 " % sum(raw[at:at + 512])


@limit(15)
@cases("checksum", "size not octal", "size beyond the end", "no magic", "filler too long",
       "data not at a page", "cut inside init", "cut inside a header")
def test_spoiled_archive(t, case):
    _refused(t, r"^exo: ", archive=_spoiled(t.archive("hello"), case))


@limit(15)
@cases("entry outside", "segment beyond the file", "segment in the kernel's half", "no segments",
       "too many segments", "other machine", "overlapping pages")
def test_bad_init(t, case):
    files = t.files("hello")
    elf = bytearray(files[0][1])
    table = int.from_bytes(elf[32:40], "little")
    if case == "entry outside":
        elf[24:32] = (0xffffffff80000000).to_bytes(8, "little")
    elif case == "segment beyond the file":
        elf[table + 8:table + 16] = (1 << 40).to_bytes(8, "little")
    elif case == "segment in the kernel's half":
        elf[table + 16:table + 24] = (0xffffffff80000000).to_bytes(8, "little")
    elif case == "no segments":
        elf[56:58] = b"\0\0"
    elif case == "too many segments":
        elf[56:58] = b"\xff\xff"
    elif case == "other machine":
        elf[18:20] = (183).to_bytes(2, "little")
    elif case == "overlapping pages":
        elf[table + 56 + 16:table + 56 + 24] = elf[table + 16:table + 24]
    _refused(t, r"^exo: ", archive=pack.archive([("init", bytes(elf)), *files[1:]]))


@limit(20)
@cases("5M", "3M", "2M")
def test_too_little_memory(t, case):
    _refused(t, r"^(exo|init): .*(memory|frames)", memory=case, manifest="httpd")


@limit(20)
def test_no_network_card(t):
    guest = t.boot("httpd", net="none")
    t.check(guest.wait_exit(15) in (t.BOOT_FAILED, t.PROGRAM_FAILED), f"exit status {guest.exit_status}")
    guest.wait_line(r"(?i)(NIC|network|card|queue)", 1)


@limit(120)
def test_cut_anywhere(t):
    """An archive cut after any number of pages is refused, by the kernel or by init."""
    raw = t.archive("hello")
    pages = len(raw) // 4096
    for keep in sorted({1, 2, 3, pages // 4, pages // 2, pages * 3 // 4, pages - 3, pages - 2, pages - 1}):
        guest = t.boot(archive=raw[:keep * 4096], net="none")
        status = guest.wait_exit(10)
        if keep == pages - 1 and status == t.OK:
            continue  # nothing but the end mark was lost
        t.check(status in (t.BOOT_FAILED, t.PROGRAM_FAILED), f"{keep} of {pages} pages: status {status}\n{guest.tail()}")
        guest.stop()


MANIFESTS = {
    "unknown word": ("program hello\n  colour blue\n", r"^init: .*2"),
    "no such file": ("program hello\n  file nowhere\n  memory 4M\n", r"^init: .*nowhere"),
    "too much memory": ("program hello\n  memory 900M\n", r"^init: .*(memory|MiB|frames)"),
    "memory missing": ("program hello\n", r"^init: .*memory"),
    "nothing in it": ("# nothing\n", r"^init: "),
    "bad address": ("program hello\n  memory 4M\n  net mac=52:54:00:12:34:56 ip=10.0.2\n", r"^init: .*3"),
    "not text": ("program \x01\x02\n", r"^init: .*1"),
}


@limit(20)
@cases(*MANIFESTS)
def test_bad_manifest(t, case):
    text, pattern = MANIFESTS[case]
    files = t.files("hello")
    files = [(name, text.encode() if name == "manifest" else content) for name, content in files]
    _refused(t, pattern, archive=pack.archive(files))


@limit(20)
def test_no_manifest(t):
    files = t.files("hello")
    _refused(t, r"^init: .*manifest",
             archive=pack.archive([file for file in files if file[0] != "manifest"]))
