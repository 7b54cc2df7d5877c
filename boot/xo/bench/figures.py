# SPDX-License-Identifier: MIT
"""Figures: what was measured, one object each, as JSON lines and as a table."""

import json
import statistics
import sys
from dataclasses import dataclass, field

from ..common import bold, yellow


@dataclass
class Figure:
    suite: str
    name: str
    subject: str
    unit: str
    values: list
    kind: str                    # count or rate
    note: str = ""               # what is odd about it; empty: nothing
    extra: dict = field(default_factory=dict)

    @property
    def median(self):
        return statistics.median(self.values)

    def record(self):
        record = {"suite": self.suite, "name": self.name, "subject": self.subject, "unit": self.unit,
                  "n": len(self.values), "median": _rounded(self.median), "min": _rounded(min(self.values)),
                  "max": _rounded(max(self.values)), "values": [_rounded(value) for value in self.values],
                  "kind": self.kind}
        if self.note:
            record["note"] = self.note
        return {**record, **self.extra}


def _rounded(value):
    return value if isinstance(value, int) else float(f"{value:.6g}")


def shown(value):
    """A number as a person reads it."""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:.1f}"


def spread(figure):
    low, high = shown(min(figure.values)), shown(max(figure.values))
    return low if low == high else f"{low} – {high}"


def _count_ratios(row):
    """Adds what instructions are to Linux's, for a reader; it is no figure of its own."""
    linux = row.get("linux")
    if not linux or linux.kind != "count" or not linux.name.endswith("insns -rep") or not linux.median:
        return []
    for name, figure in list(row.items()):
        if name != "linux" and "/" not in name:
            overlap = min(figure.values) <= max(linux.values) and min(linux.values) <= max(figure.values)
            row[f"{name}/linux"] = Figure(figure.suite, figure.name, f"{name}/linux", "ratio",
                                          [figure.median / linux.median], "count",
                                          note="the spread swallows the ratio" if overlap else "")
    return [name for name in row if "/" in name]


class Figures:
    """All of a run. They are shown as they come, so that a long run is not silent."""

    def __init__(self, path=None):
        self.all = []
        self.notes = []              # what could not be measured, and why
        self._file = open(path, "w", encoding="utf-8") if path else None

    def add(self, *words, **options):
        figure = Figure(*words, **options)
        self.all.append(figure)
        if self._file:
            self._file.write(json.dumps(figure.record()) + "\n")
            self._file.flush()
        return figure

    def say(self, text):
        """Something that a reader of the figures has to know."""
        self.notes.append(text)
        print(yellow(f"note: {text}"), file=sys.stderr, flush=True)

    def suites(self):
        return list(dict.fromkeys(figure.suite for figure in self.all))

    def of(self, suite):
        """{name: {subject: Figure}} of a suite, and its subjects, both in order of appearance."""
        rows, subjects = {}, {}
        for figure in self.all:
            if figure.suite == suite:
                rows.setdefault(figure.name, {})[figure.subject] = figure
                subjects[figure.subject] = None
        for row in rows.values():
            subjects.update(dict.fromkeys(_count_ratios(row)))
        # Ratios ("a/b") stand behind what they are ratios of.
        return rows, sorted(subjects, key=lambda name: "/" in name)

    def close(self):
        if self._file:
            self._file.close()
            self._file = None


def cell(figure):
    """Median and range as a person reads them; a ratio that its spread swallows is not shown."""
    if not figure:
        return ""
    if figure.unit == "ratio":
        text = f"{shown(figure.median)} ({spread(figure)})" if len(figure.values) > 1 else shown(figure.median)
        return "–" if figure.note else text
    differ = min(figure.values) != max(figure.values)
    text = shown(figure.median) + (f" ({spread(figure)})" if differ else "")
    return text + (" *" if figure.note else "")


def table(figures, stream=sys.stdout):
    """A table for each suite, a column for each subject."""
    for suite in figures.suites():
        rows, subjects = figures.of(suite)
        lines = [[suite, "unit", *subjects]]
        for name, found in rows.items():
            lines.append([f"  {name}", next(iter(found.values())).unit, *(cell(found.get(one)) for one in subjects)])
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        for number, line in enumerate(lines):
            text = "  ".join([line[0].ljust(widths[0]), line[1].ljust(widths[1]),
                              *(text.rjust(width) for text, width in zip(line[2:], widths[2:]))]).rstrip()
            print(bold(text, stream) if number == 0 else text, file=stream)
        print(file=stream)
    for note in notes(figures):
        print(f"* {note}", file=stream)


def notes(figures):
    """What a reader has to know beside the numbers."""
    about = [f"{f.suite}, {f.name.partition(': ')[0]}, {f.subject}: {f.note}" for f in figures.all if f.note]
    return list(dict.fromkeys([*figures.notes, *about]))
