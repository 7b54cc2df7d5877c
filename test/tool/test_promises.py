# SPDX-License-Identifier: MIT
"""docs/promises.md: what it names exists, and the kernel is as thin as it says."""

import re

from xo.common import ROOT

LINES = 9000  # of code; the aim is 8,000


def _rows(text):
    """(rule's number or None, cells) of each table row."""
    rule = None
    for line in text.splitlines():
        if line.startswith("## "):
            number = re.match(r"## (\d+)\. ", line)
            rule = int(number[1]) if number else None
        elif line.startswith("| ") and not line.startswith(("| promise ", "| --- ")):
            yield rule, [cell.strip() for cell in line.strip("|").split(" | ")]


def _defines(text, name):
    """Whether a C or Python file defines that function, table or test: not merely calls or declares it."""
    name = re.escape(name)
    patterns = (rf"^[a-z_][\w *,()]*[ *]{name}\([^;]*$",        # a function: its line has no semicolon ...
                rf"^[a-z_][\w *,()]*[ *]{name}\(.*\{{.*\}}$",   # ... or it all stands on that line
                rf"^[a-z_][\w *]*[ *]{name}\[.*\] = ",          # a table
                rf"^(START_TEST|BASE|INSTRUCTION)\({name}\b",   # tests, and lines of tables, that macros make
                rf"^def {name}\(")
    return any(re.search(pattern, text, re.MULTILINE) for pattern in patterns)


def _check(t, folder, cell, row):
    found = re.findall(r"`([\w/.]+): ([\w, ]+)`", cell)
    t.check(found, f'nothing is named in "{cell}"')
    t.equal(re.sub(r"`[\w/.]+: [\w, ]+`(, )?", "", cell), "", f'what is not understood of "{row}"')
    missing = []
    for path, names in found:
        file = ROOT / folder / path
        t.check(file.is_file(), f"{row}: there is no {folder}/{path}")
        text = file.read_text()
        missing += [f"{folder}/{path}: {name}" for name in names.split(", ") if not _defines(text, name)]
    return sum(len(names.split(", ")) for _, names in found), missing


def test_promises(t):
    missing, rows, attacks = [], 0, {}
    for rule, cells in _rows((ROOT / "docs" / "promises.md").read_text()):
        t.equal(len(cells), 3, f"cells of {cells}")
        _, kept = _check(t, "exo", cells[1], cells[0])
        count, attacked = _check(t, "test", cells[2], cells[0])
        missing += kept + attacked
        attacks[rule] = attacks.get(rule, 0) + count
        rows += 1
    t.check(not missing, "gone, or under another name now: " + "; ".join(missing))
    t.equal(sorted(rule for rule in attacks if rule), list(range(1, 11)), "rules that have a promise")
    by_rule = ", ".join(f"{rule}: {attacks[rule]}" for rule in range(1, 11))
    return f"{rows} promises, {sum(attacks.values())} attacks; by rule {by_rule}"


def test_names_that_do_not_exist(t):
    """The check itself: calls, declarations and comments are not definitions."""
    text = "/* frame_owned(x) */\nint frame_owned(int x);\nstatic int other(void)\n{\n    return frame_owned(1);\n}\n"
    t.check(not _defines(text, "frame_owned"), "a declaration passes for a definition")
    t.check(_defines(text, "other") and not _defines(text, "othe"), "a definition is not seen")


def test_thin(t):
    lines = 0
    for file in (ROOT / "exo").rglob("*.[chS]"):
        code = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.DOTALL)
        lines += sum(1 for line in code.splitlines() if line.strip())
    t.check(lines < LINES, f"the kernel has {lines} lines of code")
    return f"{lines} lines of code"
