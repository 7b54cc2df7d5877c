# SPDX-License-Identifier: MIT
"""Turns a linked kernel's functions into the table that its panic report looks
names up in. The kernel is linked twice: first with an empty table, then with
the one made here; the table lies behind all code, so code does not move."""

from .common import Problem, command

HEAD = """\
/* Made by `./xo symtab` from the symbols of {source}. */
#include <stdint.h>

struct kernel_symbol {{
    uint64_t address;
    const char *name;
}};

extern const struct kernel_symbol kernel_symbols[];
extern const unsigned kernel_symbol_count;

"""


def functions(elf):
    """(address, name) of every function, sorted, one name an address."""
    found = {}
    for line in command(["nm", "-n", elf]).splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in "tT" and not words[2].startswith("."):
            found.setdefault(int(words[0], 16), words[2])
    return sorted(found.items())


def table(elf):
    rows = functions(elf) if elf else []
    lines = [f'    {{0x{address:x}ull, "{name}"}},' for address, name in rows]
    return (HEAD.format(source="the kernel" if elf else "nothing yet")
            + "const struct kernel_symbol kernel_symbols[] = {\n"
            + "\n".join(lines or ['    {0, ""},']) + "\n};\n"
            + f"const unsigned kernel_symbol_count = {len(rows)};\n")


def symtab_command(arguments):
    try:
        with open(arguments.output, "w", encoding="ascii") as output:
            output.write(table(arguments.elf))
    except OSError as error:
        raise Problem(str(error)) from None
    return 0
