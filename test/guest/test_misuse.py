# SPDX-License-Identifier: MIT
"""The plan builder's types: what is wrong does not compile, and the message is about the argument.
Nothing boots here."""

import subprocess

from xo.common import ROOT
from xo.testing import cases

SNIPPETS = {
    "right": ("plan_free(plan, plan_alloc(plan, 1, 0), 1);", True),
    "a handle for a frame": ("plan_free(plan, handle_number(3), 1);", False),
    "a number for a frame": ("plan_free(plan, 5, 1);", False),
    "a frame for a handle": ("plan_env_kill(plan, plan_alloc(plan, 1, 0));", False),
    "a result for a count": ("plan_alloc(plan, plan_nop(plan, word_number(1)), 0);", False),
    "a frame for a tick": ("plan_timer(plan, frame_number(1));", False),
    "no result for a frame": ("plan_free(plan, plan_free(plan, frame_number(1), 1), 1);", False),
    "a number for a handle": ("plan_env_wait(plan, 3);", False),
    "a length for a word": ("plan_nop(plan, plan_console_write(plan, handle_number(2), 0));", False),
    "an operation for a plan": ("plan_submit(plan_nop(plan, word_number(1)));", False),
    "several results for one": ("plan_nop(plan, plan_env_wait(plan, handle_number(3)));", False),
    "one of several results": ("plan_nop(plan, plan_env_wait(plan, handle_number(3)).reason);", True),
    "a forgotten argument": ("plan_alloc(plan, 1);", False),
}


@cases(*SNIPPETS)
def test_types(t, case):
    statement, good = SNIPPETS[case]
    code = ("#include <libos/plan.h>\nvoid f(struct plan *plan);\n"
            "void f(struct plan *plan)\n{\n    " + statement + "\n}\n")
    result = subprocess.run(
        ["cc", "-std=c17", "-fsyntax-only", "-Wall", "-Wextra", "-xc", "-",
         f"-I{ROOT}/libos/include", f"-I{ROOT}/exo/include"],
        input=code, capture_output=True, text=True)
    t.equal(result.returncode == 0, good, f"compiles (the compiler said:\n{result.stderr})")
    if good:
        t.equal(result.stderr, "", "warnings")
