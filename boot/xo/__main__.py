# SPDX-License-Identifier: MIT
"""The command line of ./xo."""

import argparse
import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from xo.bench import bench  # noqa: E402
from xo import doctor, gdb, image, new, ports, run, symtab, testrun  # noqa: E402
from xo.common import Problem, bold, red  # noqa: E402


def add_yes(part):
    part.add_argument("--yes", action="store_true", help="install missing Debian packages without asking")


def add_machine_options(part):
    part.add_argument("--accel", choices=["auto", "kvm", "tcg"], default="auto",
                      help="KVM or emulation (auto: KVM if it really works)")
    part.add_argument("--smp", type=int, default=1, metavar="N", help="cores")
    part.add_argument("--mem", default="64M", metavar="SIZE", help="memory (64M)")
    part.add_argument("--net", default="user", metavar="user|tap=IF|none",
                      help="QEMU's user networking (no root), a tap interface, or no card")
    part.add_argument("--publish", action="append", default=[], metavar="HOST:GUEST[/udp]",
                      help="the port of this machine for a port of the guest (default: one is chosen)")
    part.add_argument("--disk", metavar="FILE", help="a raw disk image")
    part.add_argument("--boot", choices=["grub", "pvh"], default="grub",
                      help="through GRUB from an image, or the kernel directly")
    part.add_argument("--timeout", type=float, metavar="SECONDS", help="fail when it runs longer")
    part.add_argument("--pcap", metavar="FILE", help="record the packets for tcpdump or Wireshark")
    part.add_argument("--icount", action="store_true",
                      help="count instructions instead of time (repeatable; implies --accel tcg)")


def parser_make():
    parser = argparse.ArgumentParser(
        prog="./xo", description="Sets up, builds, runs and tests this operating system.",
        epilog="example: ./xo run httpd")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name, function, text, example, hidden=False):
        options = {} if hidden else {"help": text}
        part = commands.add_parser(name, description=text, epilog=f"example: {example}", **options)
        part.set_defaults(run=function)
        return part

    part = add("run", run.run_command, "build an application and boot it under QEMU", "./xo run httpd")
    part.add_argument("app", metavar="APP|MANIFEST")
    part.add_argument("--table", nargs="?", type=int, const=5, default=0, metavar="SECONDS",
                      help="show who owns what, at the start, at the end of each program and so often (5)")
    add_machine_options(part)
    add_yes(part)

    part = add("test", testrun.test_command, "set up, build, and run every test or some", "./xo test httpd -k range")
    part.add_argument("suite", nargs="?", metavar="SUITE", help="a folder or file of tests: unit, boot, ...")
    part.add_argument("-k", metavar="PATTERN", help="only tests whose name matches this regular expression")
    part.add_argument("--list", action="store_true", help="show the names only")
    part.add_argument("--minutes", type=float, default=0, metavar="N",
                      help="how long tests that explore and fuzz go on (they have a short run without it)")
    part.add_argument("--accel", choices=["auto", "kvm", "tcg"], default="tcg",
                      help="what guests run on (tcg: the same everywhere)")
    add_yes(part)

    part = add("bench", bench.bench_command, "measure programs, beside a Linux guest",
               "./xo bench http --vs linux")
    bench.arguments_add(part)
    add_yes(part)

    part = add("image", image.image_command, "make a bootable image", "./xo image httpd -o httpd.iso")
    part.add_argument("manifest", metavar="APP|MANIFEST")
    part.add_argument("-o", dest="output", metavar="FILE.iso", help="where to (default: NAME.iso)")
    add_yes(part)

    part = add("gdb", gdb.gdb_command, "boot an application under gdb",
               "./xo gdb httpd --ex 'break main' --ex continue")
    part.add_argument("app", metavar="APP|MANIFEST")
    part.add_argument("--program", metavar="NAME", help="whose symbols to load (default: the manifest's first)")
    part.add_argument("--ex", action="append", default=[], metavar="COMMAND", help="a command for gdb")
    part.add_argument("--batch", action="store_true", help="end after the commands")
    part.add_argument("--mem", default="64M", metavar="SIZE", help="memory (64M)")
    part.add_argument("--net", default="user", metavar="user|tap=IF|none", help="network (user)")
    add_yes(part)

    part = add("new", new.new_command, "make a new application with its manifest and a test", "./xo new mine")
    part.add_argument("name", metavar="NAME")

    add("doctor", doctor.doctor_command, "show what is installed and what is missing", "./xo doctor")

    part = add("ports", ports.ports_command,
               "build what comes from upstream source, and print where it is", "./xo ports", hidden=True)
    part.add_argument("compiler", nargs="*")

    part = add("symtab", symtab.symtab_command, "make the kernel's symbol table",
               "./xo symtab -o kernel-symbols.c exo0.elf", hidden=True)
    part.add_argument("-o", dest="output", required=True)
    part.add_argument("elf", nargs="?", help="without it, an empty table")
    return parser


def main():
    arguments = parser_make().parse_args()
    if getattr(arguments, "icount", False) and arguments.accel == "auto":
        arguments.accel = "tcg"
    try:
        return arguments.run(arguments)
    except Problem as problem:
        print(f"{red('xo:', sys.stderr)} {problem}", file=sys.stderr)
        if problem.hint:
            print(f"  {bold('to do:', sys.stderr)} {problem.hint}", file=sys.stderr)
        return problem.status
    except KeyboardInterrupt:
        return 130


sys.exit(main())
