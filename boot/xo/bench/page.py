# SPDX-License-Identifier: MIT
"""All figures of a run as one HTML page: no script, nothing from a network."""

import re
from html import escape
from pathlib import Path

from . import svg
from .figures import cell, notes, shown, spread

BARS = 9        # groups of them in a chart
STYLE = Path(__file__).with_name("style.css")
TITLES = {
    "boot": "Boot: from nothing to the first answer",
    "micro": "Primitives",
    "http": "HTTP",
    "udp": "UDP echo",
    "stream": "TCP streams",
    "flood": "Overload",
    "redis": "Redis",
}


class Page:
    def __init__(self, figures, profiles, about):
        self.figures, self.profiles, self.about = figures, profiles, about
        names = list(dict.fromkeys(f.subject for f in figures.all if "/" not in f.subject))
        own = [name for name in names if name != "linux"]
        self.styles = {name: f"c{number % 4}" for number, name in enumerate(own)}
        self.styles["linux"] = "linux"

    # --- pieces ---

    def _key(self, subjects):
        items = "".join(f'<span class="{self.styles[one]}"><b>{escape(one)}</b></span>' for one in subjects)
        return f'<div class="key">{items}</div>'

    @staticmethod
    def _figure(title, note, chart, wide=False):
        body = f'<div class="wide">{chart}</div>' if wide else chart
        return f"<figure><figcaption>{escape(title)}<small>{escape(note)}</small></figcaption>{body}</figure>"

    def _found(self, suite, pattern):
        """[(match, {subject: Figure})] of the suite's rows whose names match."""
        rows, _ = self.figures.of(suite)
        return [(found, {name: figure for name, figure in row.items() if name in self.styles})
                for name, row in rows.items() if (found := re.fullmatch(pattern, name))]

    def _instructions(self, suite, unit):
        """Bars of instructions, what the program spends and what the kernel does."""
        groups, out = [], []
        for found, row in self._found(suite, r"(.*): insns -rep"):
            user = dict(self._found(suite, re.escape(found[1]) + ": user -rep")).values()
            user = next(iter(user), {})
            lines = []
            for name, figure in row.items():
                part = user[name].median if name in user else 0
                lines.append((self.styles[name], part, max(figure.median - part, 0),
                              f"{shown(figure.median)}"))
            groups.append((found[1], lines))
        for at in range(0, len(groups), BARS):
            out.append(self._figure(f"Instructions for each {unit}" + (", further" if at else ""),
                                    "−rep: without string iterations; solid: user code, pale: kernel",
                                    svg.bars(f"instructions for each {unit}", groups[at:at + BARS], "instructions, −rep")))
        return "".join(out)

    def _curves(self, suite, chosen):
        """Latency at each quantile, of the last run of one load."""
        out = []
        for _, row in self._found(suite, re.escape(chosen) + ": rate"):
            series = []
            for name, figure in row.items():
                points = [(1 / (1 - float(at)), value, value, value)
                          for at, value in figure.extra.get("latency", {}).items() if float(at) <= 0.999]
                if points:
                    series.append((self.styles[name], points))
            if series:
                names = [(2, "p50"), (10, "p90"), (100, "p99"), (1000, "p99.9")]
                out.append(self._figure(f"Latency: {chosen}", "the last run's answers, in µs (logarithmic)",
                                        svg.lines(f"latency, {chosen}", series, "quantile", "µs", True, True, names)))
        return "".join(out)

    def _throughput(self):
        series = {}
        for found, row in self._found("http", r"keep-alive 600 B, (\d+): rate"):
            for name, figure in row.items():
                series.setdefault(name, []).append(
                    (int(found[1]), figure.median, min(figure.values), max(figure.values)))
        if not series:
            return ""
        names = [(count, str(count)) for count in sorted({point[0] for points in series.values() for point in points})]
        return self._figure("Requests a second", "keep-alive, 600 bytes; whiskers: slowest and fastest run",
                            svg.lines("requests a second against connections",
                                      [(self.styles[name], points) for name, points in series.items()],
                                      "connections", "requests/s", log_x=True, x_names=names))

    def _flood(self):
        series = {}
        for _, row in self._found("flood", r"useful at .*"):
            for name, figure in row.items():
                series.setdefault(name, []).append((figure.extra.get("offered", 0), figure.median,
                                                    min(figure.values), max(figure.values)))
        if not series:
            return ""
        return self._figure("Useful against offered rate", "64-byte packets answered a second; dashed: all of them",
                            svg.lines("useful against offered rate",
                                      [(self.styles[name], sorted(points)) for name, points in series.items()],
                                      "offered packets/s", "answered packets/s", diagonal=True))

    def _boot(self):
        """Bars of what boots cost; both subjects have these."""
        out = []
        for name, title, unit in (("start to first 200", "From QEMU's start to the first answer", "seconds"),
                                  ("least memory that serves", "The least memory that serves", "MiB")):
            for _, row in self._found("boot", re.escape(name)):
                bars = [(self.styles[one], figure.median, 0, shown(figure.median)) for one, figure in row.items()]
                out.append(self._figure(title, f"in {unit}", svg.bars(title, [("", bars)], unit)))
        return "".join(out)

    @staticmethod
    def _cell(figure):
        if not figure or len(figure.values) == 1 or (figure.unit == "ratio" and figure.note):
            return f"<td>{escape(cell(figure))}</td>"
        mark = " *" if figure.note and figure.unit != "ratio" else ""
        between = "" if min(figure.values) == max(figure.values) else f"<small>{spread(figure).replace(' –', '&nbsp;–')}</small>"
        return f"<td>{shown(figure.median)}{mark}{between}</td>"

    def _table(self, suite):
        """Rows below the work that they are about: `what: part`."""
        rows, subjects = self.figures.of(suite)
        out = ["<div class=scroll><table><thead><tr><th></th>",
               *(f"<th>{escape(one)}</th>" for one in subjects), "</tr></thead><tbody>"]
        above = None
        for name, row in rows.items():
            what, _, part = name.rpartition(": ")
            if what and what != above:
                out.append(f'<tr class=group><td colspan="{len(subjects) + 1}">{escape(what)}</td></tr>')
            above = what
            unit = next(iter(row.values())).unit
            out.append(f"<tr><td>{escape(part)}<small>{escape(unit)}</small></td>"
                       + "".join(self._cell(row.get(one)) for one in subjects) + "</tr>")
        return "".join([*out, "</tbody></table></div>"])

    def _profiles(self):
        if not self.profiles:
            return ""
        out = ["<h2>Where the instructions go</h2><p class=soft>Wider is dearer; below a function is what it calls. How often "
               "a function was called from where was counted; that it costs the same for each caller is assumed. What is "
               "entered through a pointer stands directly below its image.</p>"]
        for one in self.profiles:
            out.append(self._figure(f"{one.title}: {one.subject}", f"{one.total:,.0f} instructions",
                                    svg.flame(one.title, one.tree, one.total), wide=True))
            rows = "".join(f"<tr><td>{escape(line.function)}<small>{escape(line.place)}</small></td><td>{escape(line.image)}</td>"
                           f"<td>{line.insns - line.rep:,.0f}</td><td>{line.rep:,.0f}</td>"
                           f"<td>{100 * line.insns / one.total:.1f} %</td></tr>" for line in one.lines[:25])
            out.append("<details><summary>The 25 dearest functions</summary><div class=scroll><table><thead><tr><th>function</th>"
                       f"<th>image</th><th>−rep</th><th>+rep</th><th>of all</th></tr></thead><tbody>{rows}</tbody></table></div></details>")
        return "".join(out)

    # --- the whole ---

    def _suite(self, suite):
        _, subjects = self.figures.of(suite)
        charts = {
            "http": lambda: self._throughput() + self._instructions("http", "request") + self._curves("http", "keep-alive 600 B, 1")
            + self._curves("http", "keep-alive 600 B, 16") + self._curves("http", "keep-alive 600 B, 64"),
            "udp": lambda: self._instructions("udp", "echo") + self._curves("udp", "echo 64 B, 1")
            + self._curves("udp", "echo 64 B, 16"),
            "micro": lambda: self._instructions("micro", "primitive"),
            "boot": self._boot,
            "stream": lambda: self._instructions("stream", "KiB"),
            "redis": lambda: self._instructions("redis", "request"),
            "flood": self._flood,
        }.get(suite, str)()
        if not charts:
            return ""
        key = self._key([one for one in subjects if one in self.styles])
        return (f'<h2>{escape(TITLES.get(suite, suite))}</h2>{key}<div class="charts">{charts}</div>'
                f'<p class="soft"><a href="#{suite}">All its figures</a></p>')

    def _tables(self):
        out = ["<h2>All figures</h2><p class=soft>Medians, and below them the lowest and the highest where runs differ.</p>"]
        for suite in self.figures.suites():
            out.append(f'<h3 id="{suite}">{escape(TITLES.get(suite, suite))}</h3>{self._table(suite)}')
        return "".join(out)

    def html(self):
        said = "".join(f"<li>{escape(note)}</li>" for note in notes(self.figures))
        return "".join([
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Benchmark</title>',
            f"<style>{STYLE.read_text(encoding='utf-8')}</style></head><body><h1>Benchmark</h1>",
            *(f'<p class="soft">{escape(line)}</p>' for line in self.about),
            '<p class="soft">Instructions are exact counts of a plugin in QEMU, each subject’s idle rate subtracted. Rates are of '
            "interleaved runs on a shared machine: compare them only with each other, as the ratios do; a dash "
            "stands where the spread swallows the ratio.</p>",
            *(self._suite(suite) for suite in self.figures.suites()),
            self._profiles(), self._tables(),
            f"<h2>To know</h2><ul>{said}</ul>" if said else "", "</body></html>\n"])


def write(path, figures, profiles, about):
    Path(path).write_text(Page(figures, profiles, about).html(), encoding="utf-8")
