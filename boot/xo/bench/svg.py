# SPDX-License-Identifier: MIT
"""Charts as SVG text. Colours come from the page's style sheet (classes c0, c1, ...), so
that they follow light, dark and print."""

import math
from html import escape

WIDTH, HEIGHT = 440, 280
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 14, 44


def number_short(value):
    """An axis label: 1200 → 1.2k."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


class Scale:
    """From values to places on an axis, with ticks at round numbers."""

    def __init__(self, low, high, start, end, log=False):
        self.log = log
        if log:
            low, high = math.log10(low), math.log10(high)
            if high - low < 0.3:
                low, high = low - 0.15, high + 0.15
            self.ticks = self._log_ticks(low, high)
        else:
            step = self._step(high - low or 1)
            high = math.ceil(high / step - 1e-9) * step or step
            self.ticks = [low + step * i for i in range(int(round((high - low) / step)) + 1)]
        self.low, self.high, self.start, self.end = low, high, start, end

    @staticmethod
    def _step(span):
        raw = span / 4
        base = 10 ** math.floor(math.log10(raw))
        return next(base * times for times in (1, 2, 2.5, 5, 10) if base * times >= raw * 0.999)

    @staticmethod
    def _log_ticks(low, high):
        parts = (1,) if high - low > 2 else (1, 2, 5)
        return [part * 10.0 ** power for power in range(math.floor(low), math.ceil(high) + 1)
                for part in parts if low - 1e-6 <= math.log10(part) + power <= high + 1e-6]

    def __call__(self, value):
        value = math.log10(max(value, 1e-9)) if self.log else value
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)


def _svg(title, body, width=WIDTH, height=HEIGHT):
    return (f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
            f"<title>{escape(title)}</title>{''.join(body)}</svg>")


def _text(x, y, text, anchor="middle", style="", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{style}"{extra}>{escape(str(text))}</text>'


def _frame(x, y, x_label, y_label, x_ticks):
    """Grid, ticks and labels of both axes; x_ticks are (place, text)."""
    out = []
    for tick in y.ticks:
        at = y(tick)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" class="grid"/>')
        out.append(_text(LEFT - 6, at + 4, number_short(tick), "end", "tick"))
    for at, text in x_ticks:
        out.append(_text(at, HEIGHT - BOTTOM + 16, text, "middle", "tick"))
    out.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_label, "middle", "axis"))
    out.append(_text(0, 0, y_label, "middle", "axis", f' transform="translate(12 {(HEIGHT - BOTTOM + TOP) / 2:.0f}) rotate(-90)"'))
    return out


def lines(title, series, x_label, y_label, log_x=False, log_y=False, x_names=None, diagonal=False):
    """series: [(colour class, [(x, y, low, high)])]; low and high make whiskers."""
    points = [point for _, found in series for point in found]
    xs = [point[0] for point in points]
    ys = [value for point in points for value in point[1:]]
    x = Scale(min(xs) if log_x else 0, max(xs), LEFT + 10, WIDTH - RIGHT - 10, log_x)
    y = Scale(max(min(ys), 1e-3) if log_y else 0, max(ys), HEIGHT - BOTTOM, TOP, log_y)
    ticks = [(x(at), text) for at, text in x_names] if x_names else [(x(at), number_short(at)) for at in x.ticks]
    out = _frame(x, y, x_label, y_label, ticks)
    if diagonal:
        end = min(max(xs), max(ys))
        out.append(f'<line x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(end):.1f}" y2="{y(end):.1f}" class="ideal"/>')
    for style, found in series:
        path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value, *_ in found)
        out.append(f'<polyline points="{path}" class="line {style}"/>')
        for at, value, low, high in found:
            if high > low:
                out.append(f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{y(low):.1f}" y2="{y(high):.1f}" class="whisker {style}"/>')
            out.append(f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="3.5" class="dot {style}"/>')
    return _svg(title, out)


def bars(title, groups, unit):
    """Horizontal bars. groups: [(name, [(colour class, user, kernel, text)])]: kernel is the paler part.
    Groups too far apart for one scale have one each."""
    rows = sum(len(found) for _, found in groups)
    height = 30 + rows * 20 + len(groups) * 24
    most = [max(user + kernel for _, user, kernel, _ in found) or 1 for _, found in groups]
    if max(most) < 12 * min(most):
        most = [max(most)] * len(most)
    else:
        unit += "; each group has a scale of its own"
    room = WIDTH - RIGHT - 4 - 84
    out, at = [], 8
    for (name, found), full in zip(groups, most):
        out.append(_text(2, at + 12, name, "start", "name"))
        at += 20
        for style, user, kernel, text in found:
            a, b = room * user / full, room * kernel / full
            out.append(f'<rect x="2" y="{at}" width="{a:.1f}" height="15" class="bar {style}"/>')
            out.append(f'<rect x="{2 + a:.1f}" y="{at}" width="{b:.1f}" height="15" class="bar pale {style}"/>')
            out.append(_text(8 + a + b, at + 12, text, "start", "tick"))
            at += 20
        at += 4
    out.append(_text(2, at + 14, unit, "start", "axis"))
    return _svg(title, out, WIDTH, height)


def flame(title, root, total, width=900):
    """root: (name, value, children, style); a row for each level, wider is dearer."""
    row, out, depth = 18, [], 0

    def draw(node, left, level):
        nonlocal depth
        name, value, children, style = node
        wide = width * value / total
        if wide < 0.6:
            return
        depth = max(depth, level)
        tip = f"{name}: {value:,.0f} ({100 * value / total:.1f} %)"
        out.append(f'<g><title>{escape(tip)}</title><rect x="{left:.1f}" y="{level * row}" width="{max(wide - 0.5, 0.3):.1f}" '
                   f'height="{row - 1}" class="box {style}"/>')
        letters = int((wide - 5) / 5.9)
        if letters > 2:
            text = name if len(name) <= letters else name[:letters - 1] + "…"
            out.append(_text(left + 3, level * row + 13, text, "start", "boxname"))
        out.append("</g>")
        for child in sorted(children, key=lambda child: -child[1]):
            draw(child, left, level + 1)
            left += width * child[1] / total

    draw(root, 0, 0)
    return _svg(title, out, width, (depth + 1) * row + 2)


FLAME_STYLE = ("text{font:10.5px sans-serif;fill:#14181e}.box{fill:#b9c2cd}.f0{fill:#f2a65a}.f1{fill:#7fb7e6}"
               ".f2{fill:#9fd18b}.f3{fill:#d3a4e0}")


def flame_file(title, root, total):
    """The same as a file of its own."""
    text = flame(title, root, total, 1200)
    return text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
        "</title>", f"</title><style>{FLAME_STYLE}</style>", 1)
