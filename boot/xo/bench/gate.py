# SPDX-License-Identifier: MIT
"""The gate: counted instructions that must not grow. test/bench/budget.json holds, for each
suite and subject, what a piece of work may cost; 2 % above that fails, and 2 % below it asks
for a lower budget in the same commit as the improvement.

Of several runs the least counts: what disturbs a run (another process of this machine, a
packet late) adds instructions far more often than it takes some away."""

import json

from ..common import ROOT, bold, green, red, shown
from .figures import shown as number

BUDGET = ROOT / "test" / "bench" / "budget.json"
TOLERANCE = 0.02
GATED = {"micro": "insns -rep", "http": "insns -rep", "udp": "insns -rep", "boot": "closed run"}


def budgets():
    """{suite: {subject: {name: instructions}}}."""
    return json.loads(BUDGET.read_text(encoding="utf-8")) if BUDGET.is_file() else {}


def _gated(figure):
    return (figure.kind == "count" and "/" not in figure.subject and figure.subject != "linux"
            and GATED.get(figure.suite, "?") in figure.name)


def judge(figures):
    """[(figure, least, budget or None, verdict)]; verdicts: ok, over, under, new."""
    known = budgets()
    out = []
    for figure in filter(_gated, figures.all):
        least = min(figure.values)
        budget = known.get(figure.suite, {}).get(figure.subject, {}).get(figure.name)
        if budget is None:
            verdict = "new"
        elif least > budget * (1 + TOLERANCE):
            verdict = "over"
        else:
            verdict = "under" if least < budget * (1 - TOLERANCE) else "ok"
        out.append((figure, least, budget, verdict))
    return out


def line(figure, least, budget, verdict):
    name = f"{figure.suite}, {figure.subject}, {figure.name}"
    if budget is None:
        return f"{name}: {number(least)}, and it has no budget"
    return f"{name}: {number(least)}, budget {number(budget)} ({100 * (least / budget - 1):+.1f} %)"


def report(figures):
    """Prints the judgement; 0 when nothing is over its budget."""
    judged = judge(figures)
    marks = {"ok": green("ok   "), "over": red("OVER "), "under": bold("lower"), "new": bold("new  ")}
    for one in judged:
        print(f"{marks[one[3]]} {line(*one)}")
    over = sum(one[3] == "over" for one in judged)
    lower = sum(one[3] == "under" for one in judged)
    if lower:
        print(f"{lower} cost less than their budgets: ./xo bench --gate --set-budget, in the commit that improved them")
    print(f"gate: {len(judged) - over} within budget, {over} over")
    return 1 if over or not judged else 0


def write(figures):
    """Makes what was measured the budget."""
    known = budgets()
    for figure, least, _, _ in judge(figures):
        known.setdefault(figure.suite, {}).setdefault(figure.subject, {})[figure.name] = round(least)
    BUDGET.write_text(json.dumps(known, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    print(f"budgets written to {shown(BUDGET)}")
