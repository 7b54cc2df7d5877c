# SPDX-License-Identifier: MIT
"""./xo gdb: boots an application stopped at its first instruction, and attaches
gdb with the symbols of the kernel and of one program.

All programs are linked at the same address, so gdb has the symbols of one at a
time, and a breakpoint in it may also stop in another program (init too)."""

import signal
import subprocess
import tempfile
from pathlib import Path

from . import build, manifest as manifests, pack, setup
from .common import Problem, say, shown
from .qemu import Guest, Machine


def gdb_words(folder, program, kernel, socket, commands, batch):
    words = ["gdb", "-q", "-nx"]
    if batch:
        words.append("-batch")
    for line in ["set pagination off", "set confirm off", "set architecture i386:x86-64",
                 f"symbol-file {kernel}", f"target remote {socket}",
                 f"add-symbol-file {manifests.elf_path(program, folder)} -o 0", *commands]:
        words += ["-ex", line]
    return words


def gdb_command(arguments):
    path = manifests.find(arguments.app)
    setup.ensure("gdb", arguments.yes)
    folder = build.build()
    manifest = manifests.read(path)
    if arguments.program and arguments.program != "init" and not manifest.program(arguments.program):
        names = ", ".join(program.name for program in manifest.programs)
        raise Problem(f"{shown(path)} has no program {arguments.program}", f"it has init, {names}")
    if arguments.program == "init" or not manifest.programs:
        file = "init"
    else:
        file = (manifest.program(arguments.program) or manifest.programs[0]).file
    archive = pack.archive_write(manifest, folder / "images" / f"{path.stem}.archive", folder)
    kernel = build.kernel(folder)

    with tempfile.TemporaryDirectory() as room:
        socket = Path(room) / "gdb"
        machine = Machine(kernel=kernel, archive=archive, memory=arguments.mem, net=arguments.net,
                          extra=["-S", "-gdb", f"unix:{socket},server=on,wait=off"])
        log = folder / "gdb-console.log"
        say(f"the guest waits at its first instruction; symbols: kernel and {file}; "
            f"its console: {shown(log)}")
        with Guest(machine, log=log, on_line=lambda text: print(text, flush=True)) as guest:
            guest.monitor("query-status")  # QEMU has made the socket by the time it answers
            old = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is gdb's
            try:
                status = subprocess.run(
                    gdb_words(folder, file, kernel, socket, arguments.ex, arguments.batch),
                    check=False, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)).returncode
            finally:
                signal.signal(signal.SIGINT, old or signal.SIG_DFL)
    return 0 if status == 0 else 1
