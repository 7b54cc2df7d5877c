# SPDX-License-Identifier: MIT
"""The boot archive's layout: valid ustar, every file alone on its pages."""

import io
import tarfile

from xo import pack
from xo.common import Problem

PAGE = 4096


def _entries(raw):
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        return [(member, tar.extractfile(member).read()) for member in tar]


def _files():
    sizes = [0, 1, 511, 512, 513, 3071, 3072, 3584, 4095, 4096, 4097, 8192, 70000]
    return [(f"folder/f{size}", bytes([size % 251 + 1]) * size) for size in sizes]


def test_round_trip(t):
    files = _files()
    found = [(member.name, content) for member, content in _entries(pack.archive(files))
             if member.name != ".pad"]
    t.equal(found, files)


def test_every_file_alone_on_its_pages(t):
    raw = pack.archive(_files())
    t.equal(len(raw) % PAGE, 0)
    owner = {}
    for member, content in _entries(raw):
        if member.name == ".pad":
            sums = content.startswith(b"exosum01") and member.offset == 0
            t.check(not any(content[32:] if sums else content), f"the filler at {member.offset} is not zero")
            continue
        t.equal(member.offset_data % PAGE, 0, f"{member.name} starts in its page at")
        first, last = member.offset_data // PAGE, (member.offset_data + max(member.size, 1) - 1) // PAGE
        pages = [member.offset // PAGE] + (list(range(first, last + 1)) if member.size else [])
        for page in pages:
            t.check(page not in owner, f"{member.name} shares page {page} with {owner.get(page)}")
            owner[page] = member.name


def test_rest_of_the_last_page_is_zero_or_a_filler(t):
    raw = pack.archive([("a", b"x" * 100), ("b", b"y")])
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        member = tar.getmember("a")
    tail = raw[member.offset_data + 512:member.offset_data + 1024]
    t.equal(tail[:5], b".pad\0")
    t.equal(raw[member.offset_data + 100:member.offset_data + 512], bytes(412))


def test_same_input_same_bytes(t):
    t.equal(pack.archive(_files()), pack.archive(_files()))


def test_long_names(t):
    name = "d" * 90 + "/" + "f" * 90
    t.equal([member.name for member, _ in _entries(pack.archive([(name, b"x")]))][1], name)
    for bad in ("f" * 101, "d" * 200 + "/f"):
        try:
            pack.archive([(bad, b"")])
        except Problem as problem:
            t.match(str(problem), "too long")
        else:
            t.fail(f"a name of {len(bad)} characters was packed")


def test_same_name_twice(t):
    try:
        pack.archive([("a", b""), ("a", b"")])
    except Problem as problem:
        t.match(str(problem), "named a")
    else:
        t.fail("two files of one name were packed")
