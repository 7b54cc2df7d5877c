# SPDX-License-Identifier: MIT
"""Packs the boot archive and the bootable image.

The archive is a ustar that any tar reads, laid out so that the guest can map
files instead of copying them. Each file's data starts on a page boundary, and
no page with data of one file holds header or data of another: fillers named
`.pad` take the room between. They are all zero, but for the archive's own sum at
the beginning of the first, by which the kernel finds damage before anything runs:
"exosum01", length in bytes, sum, sum of sums (exo/image.c says how).

    page n     | file A's data ... end of it | .pad header, zeros     |
    page n+1   | zeros (of .pad) ............. file B's header (512)  |
    page n+2   | file B's data ...

The first file that is not a filler is `init`, the second is `manifest`. The
same input gives the same bytes: no times, no owners, a fixed order."""

import itertools
import shutil
import struct
import tempfile
from pathlib import Path

from . import manifest as manifests
from .common import BUILD, ROOT, Problem, command, shown

PAGE = 4096
BLOCK = 512


def _header(name, size):
    raw = name.encode()
    prefix = b""
    if len(raw) > 100:
        cut = raw[:156].rfind(b"/")
        if cut <= 0 or len(raw) - cut - 1 > 100:
            raise Problem(f"the name is too long for the boot archive: {name}")
        prefix, raw = raw[:cut], raw[cut + 1:]
    fields = [
        (raw, 100), (b"0000644", 8), (b"0000000", 8), (b"0000000", 8),
        (b"%011o" % size, 12), (b"%011o" % 0, 12), (b" " * 8, 8), (b"0", 1), (b"", 100),
        (b"ustar\x0000", 8), (b"", 32), (b"", 32), (b"0000000", 8), (b"0000000", 8), (prefix, 155),
    ]
    header = bytearray(b"".join(value.ljust(width, b"\0") for value, width in fields).ljust(BLOCK, b"\0"))
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def archive(files):
    """The bytes of an archive of (name, content) pairs, in the order given."""
    out = bytearray()
    seen = {".pad"}
    for name, content in files:
        if name in seen:
            raise Problem(f"two files of the boot archive are named {name}")
        seen.add(name)
        used = len(out) % PAGE
        rest = (PAGE - used if used else 0) + PAGE - BLOCK  # up to where the header has to be
        filler = rest - BLOCK
        out += _header(".pad", filler) + bytes(filler)
        out += _header(name, len(content)) + content
        out += bytes(-len(out) % BLOCK)
    out += bytes(2 * BLOCK)
    out += bytes(-len(out) % PAGE)
    if files:
        _sum_write(out)
    return bytes(out)


def _sum_write(out):
    """Into the first filler's data, where zeros are while it is made."""
    struct.pack_into("<8sQ", out, BLOCK, b"exosum01", len(out))
    sums = list(itertools.accumulate(struct.unpack(f"<{len(out) // 8}Q", out)))
    struct.pack_into("<QQ", out, BLOCK + 16, sums[-1] % 2**64, sum(sums) % 2**64)


def stripped(path):
    """An ELF file without DWARF, but with the symbols that crash reports need."""
    if path.read_bytes()[:4] != b"\x7fELF":
        return path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / path.name
        command(["objcopy", "--strip-debug", path, out])
        return out.read_bytes()


def archive_files(manifest, build=BUILD):
    """What a manifest asks for: (name, content) pairs in the archive's order."""
    files = []
    for name in ["init", *(name for name in manifest.elves() if name != "init")]:
        path = manifests.elf_path(name, build)
        if not path:
            where = f"{shown(manifest.path)}: " if name != "init" else ""
            raise Problem(f"{where}there is no program {name} in {shown(build)}",
                          "check the name in the manifest and apps/meson.build")
        files.append((name, stripped(path)))
        if name == "init":
            files.append(("manifest", manifest.text))
    files += [(name, host.read_bytes()) for host, name in manifest.includes]
    return files


def archive_write(manifest, out, build=BUILD):
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(archive(archive_files(manifest, build)))
    return out


# --- image -----------------------------------------------------------------

GRUB = Path("/usr/lib/grub/i386-pc")
GRUB_MODULES = ["biosdisk", "iso9660", "part_msdos", "multiboot2", "normal", "serial", "terminal",
                "test", "echo", "iorw", "halt"]


def iso_write(kernel, boot_archive, out):
    """A CD or USB image that boots through GRUB. No archive: an image to test refusals with."""
    if not (GRUB / "multiboot2.mod").is_file():
        raise Problem("GRUB's modules for BIOS machines are not installed", "./xo doctor")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        (tree / "boot" / "grub").mkdir(parents=True)
        shutil.copy(ROOT / "boot" / "grub.cfg", tree / "boot" / "grub" / "grub.cfg")
        (tree / "boot" / "exo.elf").write_bytes(stripped(kernel))
        if boot_archive:
            shutil.copy(boot_archive, tree / "boot" / "archive")
        command(["grub-mkimage", "-O", "i386-pc-eltorito", "-d", GRUB, "-p", "/boot/grub",
                 "-o", tree / "boot" / "grub" / "core.img", *GRUB_MODULES])
        # Both a CD (El Torito) and, by the hybrid boot sector, a disk or USB stick.
        command(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-no-pad", "-o", out,
                 "-b", "boot/grub/core.img", "-no-emul-boot", "-boot-load-size", "4",
                 "-boot-info-table", "--grub2-boot-info", "--grub2-mbr", GRUB / "boot_hybrid.img", tree],
                what="xorriso")
    # Boot loaders read ahead, and an image that ends with its last file does not
    # boot; 64 KiB do what xorriso's own 300 KiB of padding would.
    with open(out, "ab") as image:
        image.write(bytes(65536))
    return out
