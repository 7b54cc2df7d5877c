# SPDX-License-Identifier: MIT
"""The gate: counted instructions that must not grow. test/bench/budget.json holds, for each
suite and subject, what a piece of work may cost; 2 % above that fails, and 2 % below it asks
for a lower budget in the same commit as the improvement.

Of several runs the least counts: what disturbs a run (another process of this machine, a
packet late) adds instructions far more often than it takes some away."""

import json

from ..common import ROOT, bold, green, red, shown
from .figures import Figure, shown as number

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
    """[(figure, least, budget or None, verdict)]; verdicts: ok, over, under, new, lost."""
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
    return out + _lost(known, [one[0] for one in out])


def _lost(known, figures):
    """Budgets of those who were measured, without their figure: what fails must not pass for cheap."""
    found = {(figure.suite, figure.subject, figure.name) for figure in figures}
    return [(Figure(suite, name, subject, "insns", [0], "count"), 0, budget, "lost")
            for suite, subject in dict.fromkeys((figure.suite, figure.subject) for figure in figures)
            for name, budget in known.get(suite, {}).get(subject, {}).items() if (suite, subject, name) not in found]


def line(figure, least, budget, verdict):
    name = f"{figure.suite}, {figure.subject}, {figure.name}"
    if budget is None:
        return f"{name}: {number(least)}, and it has no budget"
    if not least:
        return f"{name}: not measured, budget {number(budget)}"
    return f"{name}: {number(least)}, budget {number(budget)} ({100 * (least / budget - 1):+.1f} %)"


def report(figures):
    """Prints the judgement; 0 when nothing is over its budget."""
    judged = judge(figures)
    marks = {"ok": green("ok   "), "over": red("OVER "), "under": bold("lower"), "new": bold("new  "),
             "lost": red("LOST ")}
    for one in judged:
        print(f"{marks[one[3]]} {line(*one)}")
    over = sum(one[3] in ("over", "lost") for one in judged)
    lower = sum(one[3] == "under" for one in judged)
    if lower:
        print(f"{lower} cost less than their budgets: ./xo bench --gate --set-budget, in the commit that improved them")
    print(f"gate: {len(judged) - over} within budget, {over} over or not measured")
    return 1 if over or not judged else 0


def write(figures):
    """Makes what was measured the budget."""
    known = budgets()
    for figure, least, _, verdict in judge(figures):
        if verdict == "lost":
            continue
        known.setdefault(figure.suite, {}).setdefault(figure.subject, {})[figure.name] = round(least)
    BUDGET.write_text(json.dumps(known, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    print(f"budgets written to {shown(BUDGET)}")
