# SPDX-License-Identifier: MIT
"""The command line of ./xo."""

import argparse
import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from xo import ports  # noqa: E402
from xo.common import Problem, bold, red  # noqa: E402


def parser_make():
    parser = argparse.ArgumentParser(prog="./xo")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    part = commands.add_parser("ports", help="build what comes from upstream source, print where it is")
    part.add_argument("compiler", nargs="*")
    part.set_defaults(run=ports.ports_command)
    return parser


def main():
    arguments = parser_make().parse_args()
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
