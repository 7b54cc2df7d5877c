# SPDX-License-Identifier: MIT
"""What comes from outside and is not as it should be: memory, processors, network cards, manifests,
noise in the boot archive. Each ends in a message and a status that is not success; nothing hangs and
nothing makes the kernel panic."""

import random
import re

from xo import pack
from xo.testing import cases, limit

SAID = r"^(exo|init): "


def _ends(t, guest, timeout=15):
    status = guest.wait_exit(timeout)
    t.check(status != t.PANIC, f"the kernel panicked:\n{guest.tail(40)}")
    return status


def _refused(t, guest, pattern, timeout=15):
    status = _ends(t, guest, timeout)
    t.equal(status, t.BOOT_FAILED, f"exit status (the last lines:\n{guest.tail()})")
    guest.wait_line(SAID, 1)
    guest.wait_line(pattern, 1)


@limit(60)
def test_memory_from_too_little_to_enough(t):
    """From some size on it works; below it the machine says so, and how much is missing is true."""
    enough = None
    for mib in (2, 3, 4, 5, 6, 7, 8, 9, 12, 16):
        guest = t.boot("hello", memory=f"{mib}M", net="none")
        status = _ends(t, guest)
        if status == t.OK:
            enough = enough or mib
        else:
            t.equal(status, t.BOOT_FAILED, f"exit status with {mib} MiB")
            t.check(enough is None, f"{enough} MiB are enough and {mib} are not")
            guest.wait_line(SAID + ".*memory.*", 1)
            more = guest.try_line(r"give the machine (\d+) MiB more")
            if more:
                need = mib + int(more[1])
                t.equal(_ends(t, t.boot("hello", memory=f"{need}M", net="none")), t.OK,
                        f"status with the {need} MiB asked for")
        guest.stop()
    t.check(enough is not None and enough <= 12, f"{enough} MiB are needed for hello")


@limit(60)
@cases("1G", "5G")
def test_much_memory(t, case):
    """More than 4 GiB: above the hole that PCI needs."""
    guest = t.boot("hello", memory=case)
    t.equal(_ends(t, guest), t.OK, f"exit status (the last lines:\n{guest.tail()})")


PROCESSORS = {
    "max,-fsgsbase": "FSGSBASE", "max,-nx": "NX", "max,-apic": "APIC", "max,-xsave": "XSAVE",
    "max,-syscall": "SYSCALL", "max,-lm": "64-bit", "qemu64": "FSGSBASE",
    # What can be done without.
    "max,-rdrand,-rdseed": None, "max,-avx": None, "max,-smap,-smep,-umip": None, "max,-tsc-deadline,-x2apic": None,
    "max,-hypervisor": None, "max,-pcid,-erms,-pku": None,
}


@limit(30)
@cases(*PROCESSORS)
def test_processor(t, case):
    missing = PROCESSORS[case]
    guest = t.boot("hello", extra=["-cpu", case], net="none")
    if missing:
        _refused(t, guest, rf"^exo: .*{missing}")
    else:
        t.equal(_ends(t, guest), t.OK, f"exit status (the last lines:\n{guest.tail()})")


NET = """program net
  file kernel-net
  children 1
  memory 4M
  net mac=52:54:00:12:34:57 ip=10.0.2.16/24
  console yes
  expect exit 0
"""

CARDS = {
    # Cards that the driver can use, in their variety ...
    "small rings": (",rx_queue_size=256,tx_queue_size=256", None),
    "large rings": (",rx_queue_size=1024,tx_queue_size=1024", None),
    "no checksums": (",csum=off,guest_csum=off", None),
    "no merged buffers": (",mrg_rxbuf=off", None),
    "no control queue": (",ctrl_vq=off", None),
    "no events": (",event_idx=off,indirect_desc=off", None),
    # ... and cards that it can't.
    "legacy": (",disable-modern=on,disable-legacy=off", "legacy"),
    "no MSI-X": (",vectors=0", "MSI-X"),
    "behind an IOMMU": (",iommu_platform=on", "features"),
}


@limit(40)
@cases(*CARDS)
def test_network_card(t, case):
    options, said = CARDS[case]
    guest = t.boot(NET, nic_options=options)
    if said:
        _refused(t, guest, r"^init: manifest:1: net wants a network queue, and this machine has no NIC")
        guest.wait_line(rf"^virtio.*: .*{said}", 1)
        guest.stop()
        # Who wants no network does not mind.
        guest = t.boot("hello", nic_options=options)
    t.equal(_ends(t, guest, 25), t.OK, f"exit status (the last lines:\n{guest.tail()})")


@limit(30)
@cases("none", "another kind", "two")
def test_network_cards(t, case):
    extra = {"none": [], "another kind": ["-netdev", "user,id=n1", "-device", "e1000,netdev=n1"],
             "two": ["-netdev", "user,id=n1", "-device", "virtio-net-pci,netdev=n1,disable-legacy=on"]}[case]
    guest = t.boot(NET, net="user" if case == "two" else "none", extra=extra)
    if case == "two":
        t.equal(_ends(t, guest, 25), t.OK, f"exit status (the last lines:\n{guest.tail()})")
    else:
        _refused(t, guest, r"^init: manifest:1: net wants a network queue")


# What stands in the manifest, and how the message begins. The file is packed as it is, so that it
# is init who finds out.
MANIFESTS = {
    "unknown word": ("# one\n\nprogram hello\n  memory 4M\n  memroy 4M\n", r'manifest:5: unknown word "memroy"'),
    "twice": ("program hello\n  memory 4M\n  memory 8M\n", r"manifest:3: "),
    "two of a name": ("program hello\n  memory 4M\nprogram hello\n  memory 4M\n", r"manifest:3: .*line 1"),
    "before a program": ("memory 4M\nprogram hello\n", r"manifest:1: "),
    "size": ("program hello\n  memory four\n", r"manifest:2: .*four"),
    "size too small": ("program hello\n  memory 1K\n", r"manifest:2: "),
    "no memory line": ("program hello\n  console yes\n", r"manifest:1: .*memory"),
    "slots": ("program hello\n  memory 4M\n  slots 32\n", r"manifest:[13]: "),
    "no words": ("program hello\n  memory\n", r"manifest:2: "),
    "too many words": ("program hello\n  memory 4M 5M\n", r"manifest:2: "),
    "name": ("program Hello World\n  memory 4M\n", r"manifest:1: "),
    "quote": ('program hello\n  memory 4M\n  args "never ends\n', r"manifest:3: "),
    "no MAC": ("program hello\n  memory 4M\n  net ip=dhcp\n", r"manifest:3: "),
    "group MAC": ("program hello\n  memory 4M\n  net mac=01:00:5e:00:00:01 ip=dhcp\n", r"manifest:3: "),
    "shared MAC": ("program a\n  file hello\n  memory 4M\n  net mac=52:54:00:00:00:01 ip=dhcp\n"
                   "program b\n  file hello\n  memory 4M\n  net mac=52:54:00:00:00:01 ip=dhcp\n", r"manifest:8: .*"),
    "address": ("program hello\n  memory 4M\n  net mac=52:54:00:00:00:01 ip=10.0.2.256/24\n", r"manifest:3: "),
    "expect": ("program hello\n  memory 4M\n  expect miracles\n", r"manifest:3: .*miracles"),
    "end-when": ("program hello\n  memory 4M\nend-when nobody-exit\n", r"manifest:3: .*nobody"),
    "environment": ("program hello\n  memory 4M\n  env NAME\n", r"manifest:3: .*NAME"),
    "a long line": ("program hello\n  memory 4M\n  args " + "x" * 2000 + "\n", r"manifest:3: .*long"),
    "many words": ("program hello\n  memory 4M\n  args" + " x" * 100 + "\n", r"manifest:3: "),
    "many programs": ("".join(f"program p{i}\n  file hello\n  memory 256K\n" for i in range(40)), r"manifest:\d+: "),
    "long": ("# " + "x" * 100 + "\n") * 700 + "program hello\n  memory 4M\n",
    "no text": ("\0" * 100, r"manifest:1: "),
    "not UTF-8": ("program h\xe9llo\n  memory 4M\n", r"manifest:1: "),
    "UTF-16": ("\xff\xfep\0r\0o\0g\0", r"manifest:1: "),
    "no such file": ("program hello\n  file else/where\n  memory 4M\n", r"hello: .*else/where"),
    "a folder": ("program hello\n  file .\n  memory 4M\n", r"(manifest:2|hello): "),
    "no program": ("\n\n# nothing\n", r"manifest: .*no program"),
    "too much for the machine": ("program hello\n  memory 200M\n", r"manifest: too little memory"),
}


@limit(20)
@cases(*MANIFESTS)
def test_manifest(t, case):
    said = MANIFESTS[case]
    text, pattern = (said, r"manifest: .*longer than") if isinstance(said, str) else said
    files = [(name, text.encode("latin-1") if name == "manifest" else content) for name, content in t.files("hello")]
    guest = t.boot(archive=pack.archive(files), net="none")
    _refused(t, guest, "^init: " + pattern)
    errors = [line for line in guest.lines if re.match(SAID + "manifest", line)]
    t.check(all(len(line) < 300 for line in errors), "a message of readable length")


WELL = {
    "tabs and spaces": "\t program   hello\t\n memory\t4M  # enough\n\n",
    "no end of line": "program hello\n  memory 4M",
    "Windows": "program hello\r\n  memory 4M\r\n  expect exit 0\r\n",
    "quoted": 'program "hello"\n  memory "4M"\n',
}


@limit(20)
@cases(*WELL)
def test_good_manifest(t, case):
    files = [(name, WELL[case].encode() if name == "manifest" else content) for name, content in t.files("hello")]
    guest = t.boot(archive=pack.archive(files), net="none")
    t.equal(_ends(t, guest), t.OK, f"exit status (the last lines:\n{guest.tail()})")


@limit(30)
@cases("no code", "a word of code", "no stack", "not executable")
def test_first_program_crashes(t, case):
    """init itself is damaged: nobody is left to report, so the kernel says what it knows."""
    files = t.files("hello")
    elf = bytearray(files[0][1])
    entry, table = int.from_bytes(elf[24:32], "little"), int.from_bytes(elf[32:40], "little")
    segments = [table + i * 56 for i in range(int.from_bytes(elf[56:58], "little"))]
    code = next(at for at in segments if int.from_bytes(elf[at + 4:at + 8], "little") & 1)
    place = entry - int.from_bytes(elf[code + 16:code + 24], "little") + int.from_bytes(elf[code + 8:code + 16], "little")
    if case == "no code":
        elf[place:place + 64] = bytes(64)
    elif case == "a word of code":
        elf[place:place + 2] = b"\x0f\x0b"
    elif case == "no stack":
        elf[place:place + 4] = b"\x31\xe4\x50\x50"  # xor esp, esp; push rax
    else:
        elf[code + 4:code + 8] = (4).to_bytes(4, "little")
    guest = t.boot(archive=pack.archive([("init", bytes(elf)), *files[1:]]), net="none")
    t.check(_ends(t, guest) in (t.PROGRAM_FAILED, t.BOOT_FAILED), f"exit status {guest.exit_status}")
    if guest.exit_status == t.PROGRAM_FAILED:
        guest.wait_line(r"^exo: the first program stopped: reason [23], (6|13|14), ", 1)
        guest.wait_line(r"\brip [0-9a-f]{16}", 1)


def _noise(raw, seed):
    """The archive with some bytes changed: mostly where something is written about something else."""
    chance = random.Random(seed)
    copy = bytearray(raw)
    headers = [at for at in range(0, len(raw), 512) if raw[at + 257:at + 262] == b"ustar"]
    elves = [at + 512 for at in headers if raw[at + 512:at + 516] == b"\x7fELF"]
    # Not init's own ELF header: with a sum that is right it is init, whatever it does.
    where = [("header", headers), ("elf", elves[1:])] if seed % 3 else [("anywhere", [0])]
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        kind, places = chance.choice(where)
        start = chance.choice(places)
        at = start + chance.randrange({"header": 512, "elf": 64 + 56 * 6, "anywhere": len(raw)}[kind])
        at = min(at, len(raw) - 1)
        copy[at] = chance.choice((copy[at] ^ 1 << chance.randrange(8), chance.randrange(256), 0, 255))
    # Sums that are right let the damage in further.
    if seed % 3 == 1:
        for at in headers:
            copy[at + 148:at + 156] = b" " * 8
            copy[at + 148:at + 156] = b"%06o\0 " % sum(copy[at:at + 512])
    if seed % 3:
        copy[512 + 16:512 + 32] = bytes(16)
        pack._sum_write(copy)
    return bytes(copy)


@limit(120)
def test_noise(t):
    """Random damage. Most of it is found out; what is not may crash a program, never the kernel."""
    raw = t.archive("program hello\n  memory 2M\n  console yes\n  archive yes\nprogram libc-args\n  memory 2M\n")
    ends = {}
    for seed in range(1000, 1080):
        guest = t.boot(archive=_noise(raw, seed), net="none", memory="16M")
        status = guest.wait(4)
        t.check(status in (None, t.OK, t.BOOT_FAILED, t.PROGRAM_FAILED), f"seed {seed}: status {status}\n{guest.tail(40)}")
        if status is None:
            # A changed program may wait for ever; the kernel must be alive, and init's watch unspoiled.
            t.check(guest.try_line("^init: running"), f"seed {seed} hangs before anything runs:\n{guest.tail()}")
        elif status != t.OK:
            t.check(guest.try_line(SAID), f"seed {seed}: not a word")
        ends[status] = ends.get(status, 0) + 1
        guest.stop()
        for path in t.work.glob("*.archive"):
            path.unlink()
    t.check(ends.get(t.BOOT_FAILED, 0) >= 20, f"too little was found out: {ends}")
    return f"{ends.get(t.BOOT_FAILED, 0)} refused, {ends.get(t.PROGRAM_FAILED, 0)} crashed, {ends.get(t.OK, 0)} fine"


RUNS = {
    "no network card": (["httpd", "--net", "none"], "no NIC"),
    "too little memory": (["hello", "--mem", "3M", "--net", "none"], "memory"),
    "no such application": (["nowhere"], "nowhere"),
    "no such manifest": (["no/where.manifest"], "no/where"),
    "no such program": ("program nowhere\n  memory 1M\n", "nowhere"),
    "no such file": ("include nowhere\nprogram hello\n  memory 4M\n", "nowhere"),
    "a mistake in the manifest": ("program hello\n  memory 4M\n  memroy 4M\n", "manifest:3: unknown word"),
    "a program that goes on": ("program p\n  file kernel-share\n  args spin 60000\n  memory 2M\n  expect exit 0\n", "time limit"),
}


@limit(60)
@cases(*RUNS)
def test_xo_run(t, case):
    """./xo run: never success, a readable last line, no traces of Python."""
    words, said = RUNS[case]
    if isinstance(words, str):
        path = t.work / "bad.manifest"
        path.write_text(words)
        words = [path, "--net", "none"]
    done = t.xo("run", *words, "--timeout", "8", environment={"XO_BUILD": str(t.folder)}, timeout=50)
    output = done.stdout + done.stderr
    t.check(done.returncode != 0, f"exit status 0:\n{output}")
    t.check("Traceback" not in output, output)
    t.check(said in output, f"{said!r} is not in what it said:\n{output}")
    lines = done.stderr.strip().splitlines()
    t.check(lines and lines[-1].startswith(("xo: ", "  ")) and len(lines[-1]) < 300, f"the last line:\n{done.stderr}")
