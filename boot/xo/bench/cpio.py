# SPDX-License-Identifier: MIT
"""A cpio archive in the `newc` form that Linux unpacks as its first file system."""


def _entry(name, mode, content, number):
    raw = name.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0]
    out = b"070701" + b"".join(b"%08X" % value for value in fields) + raw
    out += bytes(-len(out) % 4) + content
    return out + bytes(-len(out) % 4)


def archive(files, folders=()):
    """Bytes of an archive of (name, content, mode) files, with the folders they need."""
    needed = set(folders)
    for name, _, _ in files:
        parts = name.split("/")[:-1]
        needed.update("/".join(parts[:i + 1]) for i in range(len(parts)))
    out, number = bytearray(), 1
    for name in sorted(needed):
        out += _entry(name, 0o040755, b"", number)
        number += 1
    for name, content, mode in files:
        out += _entry(name, 0o100000 | mode, content, number)
        number += 1
    return bytes(out + _entry("TRAILER!!!", 0, b"", 0))
