# SPDX-License-Identifier: MIT
"""Where the instructions go: a counted load by function, kernel and programs together.

Programs may lie at the same addresses; each page of executed code belongs to the
file whose bytes it has. String iterations count (they are marked in the list)."""

import os
import re
import subprocess
from collections import Counter as Tally
from dataclasses import dataclass

from ..common import CACHE, ROOT

REP = 2     # KIND_REP of test/bench/plugin/decode.h


@dataclass
class Line:
    image: str
    function: str
    insns: float        # for each unit of work
    rep: float
    place: str          # source file, or ""


def difference(before, after):
    """Executions between two dumps: {(address, page, bytes): (count, kind)}."""
    return {key: (count - before.get(key, (0, 0))[0], kind) for key, (count, kind) in after.items()
            if count > before.get(key, (0, 0))[0]}


def images_of_pages(counts, elves):
    """Which file each page of executed code comes from."""
    scores = {}
    for vaddr, page, code in counts:
        votes = scores.setdefault((page, vaddr >> 12), Tally())
        for elf in elves:
            if elf.holds(vaddr, code):
                votes[elf] += 1
    return {key: votes.most_common(1)[0][0] if votes else None for key, votes in scores.items()}


def _places(elf, functions):
    """Source files of functions, from the debugging information."""
    wanted = [(name, elf.address(name)) for name in functions]
    wanted = [(name, address) for name, address in wanted if address is not None]
    if not wanted or not elf.path:
        return {}
    try:
        said = subprocess.run(["addr2line", "-e", str(elf.path)], input="\n".join(f"{a:x}" for _, a in wanted),
                              stdout=subprocess.PIPE, text=True, timeout=60, check=False).stdout.splitlines()
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return {name: place_shown(line.rpartition(":")[0]) for (name, _), line in zip(wanted, said)}


def place_shown(path):
    """A source file's name as a reader of this repository knows it."""
    if path in ("", "??"):
        return ""
    path = os.path.normpath(path)      # compilers name sources relative to the build folder
    path = path.removeprefix(f"{ROOT}/").removeprefix(f"{CACHE}/").removeprefix("../")
    return re.sub(r"^(\.cache/)?(lwip|musl)-[^/]*/", r"\2/", path)


def profile(counts, elves, units):
    """[Line], the dearest first, for each of `units` units of work."""
    images = images_of_pages(counts, elves)
    insns, rep = Tally(), Tally()
    for (vaddr, page, _), (count, kind) in counts.items():
        elf = images[(page, vaddr >> 12)]
        key = (elf, elf.function(vaddr) if elf else f"0x{vaddr & ~4095:x}")
        insns[key] += count
        if kind & REP:
            rep[key] += count
    places = {}
    for elf in elves:
        places.update({(elf, name): place for name, place in
                       _places(elf, [name for of, name in insns if of is elf]).items()})
    lines = [Line(elf.label if elf else "?", name, count / units, rep[(elf, name)] / units,
                  places.get((elf, name), "")) for (elf, name), count in insns.items()]
    return sorted(lines, key=lambda line: line.rep - line.insns)


def text(lines, title, limit=25):
    """The list for a terminal."""
    total = sum(line.insns for line in lines)
    rep = sum(line.rep for line in lines)
    out = [f"{title}: {total:,.0f} instructions, {total - rep:,.0f} without string iterations (−rep)", "",
           "   −rep      %   sum %     +rep  function"]
    sofar = 0.0
    for line in lines[:limit]:
        norep = line.insns - line.rep
        sofar += norep
        out.append(f"{norep:7.0f}  {100 * norep / (total - rep):5.1f}   {100 * sofar / (total - rep):5.1f}  {line.rep:7.0f}  "
                   f"{line.image}: {line.function}" + (f"  ({line.place})" if line.place else ""))
    images = Tally()
    for line in lines:
        images[line.image] += line.insns - line.rep
    out += ["", "by image: " + ", ".join(f"{image} {count:,.0f}" for image, count in images.most_common())]
    return "\n".join(out) + "\n"


__all__ = ["Line", "images_of_pages", "difference", "place_shown", "profile", "text"]
