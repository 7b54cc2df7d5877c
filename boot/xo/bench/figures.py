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

    def get(self, suite, name, subject):
        return next((figure for figure in self.all
                     if (figure.suite, figure.name, figure.subject) == (suite, name, subject)), None)

    def rows(self):
        """(suite, name, unit, kind) in order of first appearance, and subjects."""
        rows = list(dict.fromkeys((f.suite, f.name, f.unit, f.kind) for f in self.all))
        return rows, list(dict.fromkeys(f.subject for f in self.all))

    def close(self):
        if self._file:
            self._file.close()
            self._file = None


def table(figures, stream=sys.stdout):
    """The table, a column for each subject: median (min – max)."""
    rows, subjects = figures.rows()
    lines = [["", "unit", *subjects]]
    suite = None
    for row in rows:
        if row[0] != suite:
            suite = row[0]
            lines.append([f"[{suite}]"] + [""] * (len(subjects) + 1))
        cells = []
        for subject in subjects:
            figure = figures.get(row[0], row[1], subject)
            text = "" if not figure else shown(figure.median)
            if figure and len(figure.values) > 1:
                text += f" ({spread(figure)})"
            cells.append(text + (" *" if figure and figure.note else ""))
        lines.append([f"  {row[1]}", row[2], *cells])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for number, line in enumerate(lines):
        text = "  ".join([line[0].ljust(widths[0]), line[1].ljust(widths[1]),
                          *(cell.rjust(width) for cell, width in zip(line[2:], widths[2:]))]).rstrip()
        print(bold(text, stream) if number == 0 or line[0].startswith("[") else text, file=stream)
    for note in dict.fromkeys([*(f"{f.subject}, {f.name}: {f.note}" for f in figures.all if f.note), *figures.notes]):
        print(f"* {note}", file=stream)
