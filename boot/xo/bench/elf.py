# SPDX-License-Identifier: MIT
"""The little that the benchmark wants from an ELF file: bytes at an address, the
address of a name, the name at an address."""

import bisect
import struct

PT_LOAD = 1
SHT_SYMTAB = 2
STT_NOTYPE, STT_FUNC = 0, 2


class Elf:
    def __init__(self, path, label=None):
        self.label = label or path.stem
        self.path = path
        self.content = path.read_bytes()
        self.segments = []                      # (vaddr, file offset, file size)
        header = struct.unpack_from("<HHIQQQIHHHHHH", self.content, 16)
        self.entry, programs, sections = header[3], header[4], header[5]
        for i in range(header[9]):
            kind, _, offset, vaddr, _, size = struct.unpack_from("<IIQQQQ", self.content, programs + i * header[8])
            if kind == PT_LOAD:
                self.segments.append((vaddr, offset, size))
        self._symbols(sections, header[10], header[11])

    def _symbols(self, table, entry, count):
        """Names in code: functions, and what assembly defines without a type."""
        sections = [struct.unpack_from("<IIQQQQIIQQ", self.content, table + i * entry) for i in range(count)]
        self.addresses = {}
        named = {}
        for section in sections:
            if section[1] != SHT_SYMTAB:
                continue
            names = sections[section[6]][4]
            for at in range(section[4], section[4] + section[5], 24):
                name, info, _, index, value, size = struct.unpack_from("<IBBHQQ", self.content, at)
                in_code = 0 < index < count and sections[index][2] & 4
                if not name or not in_code or info & 15 not in (STT_NOTYPE, STT_FUNC):
                    continue
                end = self.content.index(b"\0", names + name)
                text = self.content[names + name:end].decode()
                self.addresses.setdefault(text, value)
                # A function's name is better than a label's at the same place.
                if value not in named or info & 15 == STT_FUNC:
                    named[value] = text
        self._starts = sorted(named)
        self._names = [named[start] for start in self._starts]

    def at(self, vaddr, length):
        """The bytes that the file puts there (fewer, or none, when it does not)."""
        for start, offset, size in self.segments:
            if start <= vaddr < start + size:
                length = min(length, start + size - vaddr)
                return self.content[offset + vaddr - start:offset + vaddr - start + length]
        return b""

    def holds(self, vaddr, code):
        """Could these bytes, executed there, be from this file?"""
        return self.at(vaddr, len(code)) == code

    def function(self, vaddr):
        index = bisect.bisect_right(self._starts, vaddr) - 1
        return self._names[index] if index >= 0 else f"0x{vaddr:x}"

    def address(self, name):
        """Where a function is, also when the compiler gave it a suffix; None."""
        if name in self.addresses:
            return self.addresses[name]
        for other, value in self.addresses.items():
            if other.startswith(name + "."):
                return value
        return None


class Symbols:
    """The same for a kernel that tells its symbols itself, as /proc/kallsyms."""
    path = None

    def __init__(self, text, label):
        self.label = label
        named = {}
        for line in text.splitlines():
            words = line.split()
            if len(words) >= 3 and words[1] in "tTwW" and int(words[0], 16):
                named.setdefault(int(words[0], 16), words[2])
        self.addresses = {name: address for address, name in named.items()}
        self._starts = sorted(named)
        self._names = [named[start] for start in self._starts]

    function = Elf.function
    address = Elf.address

    @staticmethod
    def holds(vaddr, code):
        return bool(vaddr >> 63)


class Unnamed:
    """User code whose functions nobody can name: one entry for all of it."""
    path = None

    def __init__(self, label, name):
        self.label, self._name = label, name

    @staticmethod
    def holds(vaddr, code):
        return not vaddr >> 63

    def function(self, vaddr):
        return self._name

    def address(self, name):
        return None


def needed(path):
    """Names of the shared libraries that a file asks for."""
    elf = Elf(path)
    content = elf.content
    header = struct.unpack_from("<HHIQQQIHHHHHH", content, 16)
    for i in range(header[9]):
        kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", content, header[4] + i * header[8])
        if kind != 2:  # PT_DYNAMIC
            continue
        entries = [struct.unpack_from("<QQ", content, at) for at in range(offset, offset + size, 16)]
        strings = next(value for tag, value in entries if tag == 5)
        text = elf.at(strings, next(value for tag, value in entries if tag == 10))
        return [text[value:text.index(b"\0", value)].decode() for tag, value in entries if tag == 1]
    return []
