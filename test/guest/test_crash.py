# SPDX-License-Identifier: MIT
"""How a program's end is told when it was not a good one: the report names the program, what
happened, where (with the function's name) and how it came there; and nothing of it is ever
taken for success, neither by init nor by xo."""

import re

from xo.testing import cases, limit

CHAIN = ["middle", "outer", "main"]

# How the report begins, and what the backtrace names before middle() called from outer() called from main().
MISTAKES = {
    "wild_write": (r"page fault \(write\) at 0xdeadbeef000 rip 0x4[0-9a-f]+ <wild_write\+", ["wild_write"]),
    "wild_read": (r"page fault \(read\) at 0xdeadbeef018 .*<wild_read\+", ["wild_read"]),
    "null_member": (r"page fault \(read\) at 0x18 .*<null_member\+", ["null_member"]),
    "divide_by_zero": (r"divide error .*<divide_by_zero\+", ["divide_by_zero"]),
    "call_null": (r"page fault \(execute\) at 0x0 rip 0x0 ", ["call_null"]),
    "call_nowhere": (r"page fault \(execute\) at 0xdeadbeef000 rip 0xdeadbeef000 ", ["call_nowhere"]),
    "write_constant": (r"page fault \(write\) at 0x4[0-9a-f]+ .*<write_constant\+", ["write_constant"]),
    "run_data": (r"page fault \(execute\) at 0x4[0-9a-f]+ ", ["run_data"]),
    "use_after_unmap": (r"page fault \(read\) at 0x[0-9a-f]+000 .*<use_after_unmap\+", ["use_after_unmap"]),
    "misaligned": (r"general protection fault .*<misaligned\+", ["misaligned"]),
    "privileged": (r"general protection fault .*<privileged\+", ["privileged"]),
    "trap": (r"invalid instruction .*<trap(\.cold)?\+", ["trap"]),
    "call_abort": (r"invalid instruction ", ["abort", "call_abort"]),
    "ended_by_another": (r"invalid instruction ", ["ended_by_another"]),
    "fail_assert": (r"invalid instruction ", ["abort", "fail_assert"]),
    "bad_pointer_in_call": (r"page fault \(read\) at 0xdeadbeef000 ", ["bad_pointer_in_call"]),
    "bad_free": (r"(general protection fault|page fault|invalid instruction) ", ["bad_free"]),
    "smash_string": (r"general protection fault ", None),
    "overflow_stack": (r"page fault \(write\) .*<recurse\+", ["recurse"] * 10),
}


def _manifest(mistakes, expect="  expect crash\n", thread=""):
    text = "# mistakes\n"
    for name in mistakes:
        text += (f"program {name[:15].replace('_', '-')}\n  file crash\n  args {name}{thread}\n"
                 f"  memory {'12M' if name == 'overflow_stack' else '1M'}\n  console yes\n{expect}")
    return text


def _report(t, guest, name):
    """A crash report: its first line, and what is below it. Programs may speak in between."""
    label = name[:15].replace("_", "-")
    said = [line for line in guest.lines if line.startswith("init: ")]
    start = next((i for i, line in enumerate(said) if line.startswith(f"init: crash {label}: ")), None)
    t.check(start is not None, f"no report of {name}; the last lines:\n{guest.tail()}")
    end = start + 1
    while end < len(said) and said[end].startswith("init:   "):
        end += 1
    return said[start].split(": ", 2)[2], said[start + 1:end]


def _functions(lines):
    """The names in a backtrace, from the mistake to main()."""
    return [re.sub(r"(\.(isra|part|constprop|cold)(\.\d+)?)*\+0x[0-9a-f]+.*", "", line.split()[-1]) for line in lines if re.match(r"init:   #\d", line)]


def _judge(t, guest, name, chain):
    pattern, functions = MISTAKES[name]
    first, lines = _report(t, guest, name)
    t.match(first, "^" + pattern)
    text = "\n".join([first, *lines])
    for register in ("rax", "rip", "rsp", "r15", "rflags"):
        t.match(text, rf"\b{register} +[0-9a-f]{{16}}")
    if functions is None:
        return
    found = _functions(lines)
    if name == "overflow_stack":
        t.equal(found[:10], functions, "backtrace")
        return
    # Functions of the libraries may stand in between; ours come in this order, and all of them do.
    at = -1
    for function in [*functions, *chain]:
        t.check(function in found[at + 1:], f"{function} is not in the backtrace where it should be:\n{text}")
        at = found.index(function, at + 1)


@limit(60)
def test_reports(t):
    guest = t.boot(_manifest(MISTAKES), memory="96M")
    t.equal(guest.wait_exit(50), t.OK, f"exit status (the last lines:\n{guest.tail()})")
    for line in guest.lines:
        t.check("CAME BACK" not in line, line)
    for name in MISTAKES:
        _judge(t, guest, name, CHAIN)
    guest.wait_line(r"^call-abort: about to abort", 1)  # although the line had no end
    guest.wait_line(r"^fail-assert: Assertion failed: zero == one .*crash\.c: fail_assert", 1)
    guest.wait_line(r"^overflow-stack: .*stack", 1)


@limit(60)
def test_reports_from_threads(t):
    names = ["wild_write", "divide_by_zero", "call_null", "call_abort", "ended_by_another", "overflow_stack"]
    guest = t.boot(_manifest(names, thread=" thread"), memory="96M")
    t.equal(guest.wait_exit(50), t.OK, f"exit status (the last lines:\n{guest.tail()})")
    for name in names:
        _judge(t, guest, name, ["middle", "outer", "thread_main"])


UNEXPECTED = {
    "crash": ("program p\n  file crash\n  args wild_write\n  memory 1M\n  console yes\n", "crash p: page fault"),
    "crash instead of exit": ("program p\n  file crash\n  args trap\n  memory 1M\n  expect exit 0\n", "crash p: invalid"),
    "other exit status": ("program p\n  file crash\n  memory 1M\n  expect exit 98\n", "p exited with status 99"),
    "exit status not 0": ("program p\n  file crash\n  memory 1M\n", "p exited with status 99"),
    "exit instead of crash": ("program p\n  file libc-args\n  memory 1M\n  expect crash\n", "p exited with status 0"),
    "crash instead of stop": ("program p\n  file crash\n  args trap\n  memory 1M\n  expect stop\n", "crash p"),
    "one of three": ("program a\n  file libc-args\n  memory 1M\n  expect exit 0\n"
                     "program p\n  file crash\n  args call_null\n  memory 1M\n"
                     "program c\n  file libc-args\n  memory 1M\n  expect exit 0\n", "crash p: page fault"),
}


@limit(30)
@cases(*UNEXPECTED)
def test_never_success(t, case):
    """An end that the manifest does not expect: said, and the machine's exit status tells."""
    text, said = UNEXPECTED[case]
    guest = t.boot("# unexpected\n" + text)
    t.equal(guest.wait_exit(20), t.PROGRAM_FAILED, f"exit status (the last lines:\n{guest.tail()})")
    guest.wait_line(f"^init: {said}", 1)
    guest.wait_line("^init: p did not end as expected$", 1)
    t.check(not any("all programs ended as expected" in line for line in guest.lines), "and yet all was well?")


@limit(60)
def test_xo_says_so(t):
    """xo run itself: a status that is not 0, and a last line that says why; and 0 when all went well."""
    environment = {"XO_BUILD": str(t.folder)}
    path = t.work / "bad.manifest"
    path.write_text("program bad\n  file crash\n  args divide_by_zero\n  memory 1M\n  console yes\n")
    done = t.xo("run", path, "--net", "none", "--timeout", "20", environment=environment)
    t.check(done.returncode not in (0, 124, 130), f"exit status {done.returncode}:\n{done.stdout}{done.stderr}")
    t.match(done.stderr.strip().splitlines()[-1], "crash bad: divide error .*divide_by_zero")
    path = t.work / "good.manifest"
    path.write_text("program good\n  file libc-args\n  args return 0\n  memory 1M\n  console yes\n  expect exit 0\n")
    done = t.xo("run", path, "--net", "none", "--timeout", "20", environment=environment)
    t.equal(done.returncode, 0, f"exit status (it said:\n{done.stdout}{done.stderr})")
