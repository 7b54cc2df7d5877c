# SPDX-License-Identifier: MIT
"""What the host needs to know of a manifest: which programs and files go into
the boot archive (`program`, `file`, `include`), and which of their ports to make
reachable (`publish`). It goes into the archive byte by byte as it is, and apps/init
checks all of it at boot; docs/manifest.md describes it."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from .common import BUILD, ROOT, Problem, shown


@dataclass
class Program:
    name: str
    line: int
    file: str = ""
    publish: list = field(default_factory=list)  # (protocol, port)


@dataclass
class Manifest:
    path: Path
    text: bytes = b""
    programs: list = field(default_factory=list)
    includes: list = field(default_factory=list)  # (host path, name in the archive)

    def program(self, name):
        return next((program for program in self.programs if program.name == name), None)

    def elves(self):
        """Names of the ELF files, in order of first use."""
        return list(dict.fromkeys(program.file for program in self.programs))


def find(name):
    """The file that `./xo run NAME` means: a path, or an application's name."""
    path = Path(name)
    if path.is_file():
        return path
    if "/" not in name:
        for path in (ROOT / "apps" / name / f"{name}.manifest",
                     ROOT / "apps" / "manifests" / f"{name}.manifest"):
            if path.is_file():
                return path
    known = sorted({path.stem for path in (ROOT / "apps").glob("*/*.manifest")})
    raise Problem(f"there is no application or manifest named {name}",
                  f"give one of: {', '.join(known) or '(none yet)'}, or the path of a manifest; "
                  "./xo new NAME makes an application")


def _words(line):
    """The words of a line: "several words" are one, # begins a comment where a word could."""
    words = []
    for found in re.finditer(r'"((?:[^"\\]|\\.)*)"|(#.*)|(\S+)', line):
        if found[2] is None:
            words.append(found[3] or re.sub(r"\\(.)", r"\1", found[1] or ""))
    return words


def _include(manifest, words, where):
    if len(words) not in (2, 4) or (len(words) == 4 and words[2] != "as"):
        raise Problem(f"{where}: expected `include PATH [as NAME]`")
    host = manifest.path.parent / words[1]
    name = (words[3] if len(words) == 4 else Path(words[1]).name).strip("/")
    if host.is_dir():
        for path in sorted(host.rglob("*")):
            if path.is_file():
                manifest.includes.append((path, f"{name}/{path.relative_to(host)}"))
    elif host.is_file():
        manifest.includes.append((host, name))
    else:
        raise Problem(f"{where}: {shown(host)} does not exist")


def _publish(words, where):
    if len(words) == 3 and words[1] in ("tcp", "udp") and words[2].isdigit() and 0 < int(words[2]) < 65536:
        return words[1], int(words[2])
    raise Problem(f"{where}: expected `publish tcp PORT` or `publish udp PORT`")


def read(path):
    path = Path(path)
    manifest = Manifest(path, path.read_bytes())
    for number, line in enumerate(manifest.text.decode("utf-8", "replace").splitlines(), 1):
        words = _words(line)
        where = f"{shown(path)}:{number}"
        current = manifest.programs[-1] if manifest.programs else None
        if words[:1] == ["program"] and len(words) == 2:
            manifest.programs.append(Program(words[1], number, file=words[1]))
        elif words[:1] == ["file"] and len(words) == 2 and current:
            current.file = words[1]
        elif words[:1] == ["include"]:
            _include(manifest, words, where)
        elif words[:1] == ["publish"]:
            if not current:
                raise Problem(f"{where}: `publish` belongs below a `program` line")
            current.publish.append(_publish(words, where))
    return manifest


def elf_path(name, build=BUILD):
    """Where the build left a program, or None."""
    for folder in ("apps", "test/attacks", "test/guest", "test/guest/kernel", "test/guest/libc", "test/bench"):
        for path in (build / folder / name, build / folder / name / name):
            if path.is_file():
                return path
    return None
