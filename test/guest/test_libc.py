# SPDX-License-Identifier: MIT
"""The C library in a guest, from outside: what is in the boot archive is what the program finds,
what the manifest says is what main() gets, and clocks tell the time of here."""

import time

from xo.testing import limit


def _no_failures(t, guest):
    for line in guest.lines:
        t.check("FAILED" not in line, line)


def _sum(content):
    value = 0xcbf29ce484222325
    for byte in content:
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return value


def _bytes(seed, size):
    """Never zero, so that what is behind a file's end can be told from what is in it."""
    return bytes(1 + (seed * 7919 + i * i + i // 251) % 255 for i in range(size))


SIZES = [0, 1, 511, 512, 513, 3583, 3584, 3585, 4095, 4096, 4097, 8191, 8192, 8193, 70001, (1 << 20) + 5000]


@limit(60)
def test_files(t):
    """Files of every awkward size, in folders, with long names."""
    tree = t.work / "tree"
    names = [f"plain/size-{size}" for size in SIZES]
    names += ["a/b/c/d/e/f/deep", "empty folders are not packed/x", "UPPER.and-lower_0",
              "long/" + "n" * 99, "long/" + "d" * 60 + "/" + "e" * 70 + "/f"]
    contents = {}
    for number, name in enumerate(names):
        contents[name] = _bytes(number, SIZES[number] if number < len(SIZES) else 1000 + number)
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(contents[name])
    folder = t.work / "tree.manifest"
    folder.write_text("include tree as data\nprogram tree\n  file libc-tree\n  args /data /data/plain /data/long /\n"
                      "  memory 8M\n  archive yes\n  console yes\n  expect exit 0\n")
    guest = t.boot(folder)
    status = guest.wait_exit(50)
    _no_failures(t, guest)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")
    found = {}
    for line in guest.lines:
        if line.startswith("tree: file /data/"):
            name, size, value = line.removeprefix("tree: file /data/").rsplit(" ", 2)
            found[name] = int(size), int(value, 16)
    t.equal(sorted(found), sorted(contents), "files")
    for name, content in contents.items():
        t.equal(found[name], (len(content), _sum(content)), name)
    guest.wait_line(rf"^tree: entries /data/plain {len(SIZES) + 2}$", 1)
    guest.wait_line(r"^tree: entries /data/long 4$", 1)
    folders = [line for line in guest.lines if line.startswith("tree: folder ")]
    t.equal(len(folders), len(set(folders)), "folders seen twice")
    for name in ("/data", "/data/a/b/c/d/e/f", "/data/long/" + "d" * 60 + "/" + "e" * 70):
        t.check(f"tree: folder {name}" in folders, f"{name} was not found")


def _told(guest, name, what):
    prefix = f"{name}: {what} "
    return [bytes.fromhex(line.removeprefix(prefix)).decode("utf-8", "surrogateescape")
            for line in guest.lines if line.startswith(prefix)] + \
        ["" for line in guest.lines if line == prefix.rstrip()]


@limit(60)
def test_arguments(t):
    guest = t.boot(r'''
program tell
  file libc-args
  args tell one "two words" "" "a \"quote\" and \\ backslash" # a comment
  args three# "#four" äöü x=y
  env PATH=/bin:/usr "LONG=with spaces and = signs" EMPTY=
  memory 2M
  console yes
  expect exit 0
program bare
  file libc-args
  memory 2M
  console yes
  expect exit 0
''')
    t.equal(guest.wait_exit(50), t.OK, f"exit status (the last lines:\n{guest.tail()})")
    arguments = _told(guest, "tell", "argument")
    # The empty one is told with the trailing space cut off by the console or not at all.
    t.equal([word for word in arguments if word],
            ["tell", "tell", "one", "two words", 'a "quote" and \\ backslash', "three#", "#four", "äöü", "x=y"])
    t.equal(len(arguments), 10, "number of arguments")
    t.equal(_told(guest, "tell", "environment"), ["PATH=/bin:/usr", "LONG=with spaces and = signs", "EMPTY="])
    t.equal(_told(guest, "tell", "path"), ["/bin:/usr", "/changed"])
    t.equal(_told(guest, "bare", "argument"), ["bare"])
    t.equal(_told(guest, "bare", "environment"), [])


EXITS = [("return", 0), ("return", 3), ("return", 255), ("return", 256 + 7), ("exit", 42), ("_exit", 5),
         ("quick", 6), ("handlers", 8), ("thread", 9)]


@limit(60)
def test_exits(t):
    """Ways to end well, with the status that init is told; and what runs on the way out."""
    text = "# exits\n"
    for number, (how, status) in enumerate(EXITS):
        text += (f"program exit-{number}\n  file libc-args\n  args {how} {status}\n  memory 2M\n"
                 f"  console yes\n  expect exit {status % 256}\n")
    guest = t.boot(text)
    t.equal(guest.wait_exit(50), t.OK, f"exit status (the last lines:\n{guest.tail()})")
    for number, (how, status) in enumerate(EXITS):
        guest.wait_line(f"^init: exit-{number} exited with status {status % 256}$", 1)
        lines = [line.split(": ", 1)[1] for line in guest.lines if line.startswith(f"exit-{number}: ")]
        expected = {"_exit": [],
                    "quick": ["the second handler runs first"],
                    "handlers": ["no end of linethe second handler runs first", "the first handler runs last",
                                 "after main"]}.get(how, ["after main"])
        if how == "handlers":  # a destructor writes past stdio
            t.equal(sorted(lines), sorted(expected), how)
        elif how == "quick":   # nothing is flushed, so its line may be lost
            t.check(lines in ([], expected), f"{how}: {lines}")
        else:
            t.equal(lines, expected, how)


@limit(120)
def test_library(t):
    """Memory, pthreads, everything else and clocks, side by side."""
    before = time.time()
    guest = t.boot("libc/libc.manifest")
    status = guest.wait_exit(110)
    after = time.time()
    _no_failures(t, guest)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")
    for case in ("memory: ok no-more", "pthreads: ok c11", "cancel: ok signals", "misc: ok no-processes", "clocks: ok wall"):
        guest.wait_line(f"^{case}$", 1)
    # The machine's clock is this machine's, read to the second.
    now = float(guest.wait_line(r"^clocks: now ([\d.]+)$", 1)[1])
    t.check(before - 2 <= now <= after + 2, f"it was {before} to {after} here and {now} there")


@limit(60)
def test_unimplemented_is_named_once(t):
    guest = t.boot("program misc\n  file libc-misc\n  args no-processes\n  memory 4M\n  console yes\n  expect exit 0\n")
    t.equal(guest.wait_exit(50), t.OK, f"exit status (the last lines:\n{guest.tail()})")
    for name in ("fork", "vfork", "execve", "wait4", "mount", "io_setup"):
        lines = [line for line in guest.lines if line.startswith(f"misc: libos: {name} (")]
        t.equal(len(lines), 1, f"lines about {name}")
        t.match(lines[0], "is not implemented$")
    t.equal(len([line for line in guest.lines if "does not exist" in line]), 1, "lines about a call that cannot be")


@limit(60)
def test_faults(t):
    """Faults as signals that are repaired, and waiting for signals; a fault in a fault's handler is a report."""
    guest = t.boot("libc/faults.manifest")
    status = guest.wait_exit(30)
    _no_failures(t, guest)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")
    guest.wait_line(r"^faults: ok others$", 1)
    guest.wait_line(r"^twice: a fault in the handler of a fault$", 1)
    guest.wait_line(r"#\d+ .*  again\+", 1)


@limit(60)
def test_prompt(t):
    """Who sleeps beside those who compute wakes within its CPU slot."""
    guest = t.boot("program prompt\n  file libc-prompt\n  memory 4M\n  console yes\n  expect exit 0\n")
    status = guest.wait_exit(50)
    _no_failures(t, guest)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")


@limit(60)
def test_large(t):
    """Large pages: one fault each, every part of one by itself, and small ones where there are none."""
    text = "program large\n  file libc-large\n  memory 24M\n  console yes\n  expect exit 0\n"
    for seed in (1, 2, 3):
        text += f"program random-{seed}\n  file libc-large-random\n  args {seed}\n  memory 12M\n  console yes\n  expect exit 0\n"
    guest = t.boot(text, memory="96M")
    status = guest.wait_exit(50)
    _no_failures(t, guest)
    t.equal(status, t.OK, f"exit status (the last lines:\n{guest.tail()})")
    guest.wait_line(r"^large: ok no-account$", 1)
    guest.wait_line(r"^random-3: ok random$", 1)
