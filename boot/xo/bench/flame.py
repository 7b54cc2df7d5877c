# SPDX-License-Identifier: MIT
"""Call trees from counted instructions. Each direct call was counted where it is made, so
how often a function was entered from where is exact; that its cost is the same for each
caller is assumed (as gprof does). What is entered through a pointer, by an interrupt
or by a system call starts a tree of its own below its image."""

import struct
from collections import Counter as Tally, defaultdict

LEAST = 0.0008     # of the whole: what is less is not drawn
DEEPEST = 40
COLOURS = ("f0", "f2", "f3")


def _target(vaddr, code):
    """Where a direct call or jump goes, or None."""
    after = vaddr + len(code)
    if code[0] in (0xe8, 0xe9) and len(code) == 5:
        return after + struct.unpack("<i", code[1:])[0]
    if code[0] == 0xeb and len(code) == 2:
        return after + struct.unpack("<b", code[1:])[0]
    return None


class Graph:
    """Functions, what they cost themselves, and how often they enter each other."""

    def __init__(self, counts, images):
        self.self_cost, self.entries = Tally(), Tally()
        self.calls = defaultdict(Tally)
        starts = {}
        for (vaddr, page, code), (count, _) in counts.items():
            elf = images[(page, vaddr >> 12)]
            key = (elf.label, elf.function(vaddr)) if elf else ("?", f"0x{vaddr & ~4095:x}")
            self.self_cost[key] += count
            if elf and elf.address(key[1]) == vaddr:
                self.entries[key] += count
            target = _target(vaddr, code) if elf else None
            if target is None:
                continue
            name = starts.setdefault((elf, target), elf.function(target))
            callee = (elf.label, name)
            if callee != key and elf.address(name) == target:
                self.calls[key][callee] += count
        self._inclusive = {}

    def inclusive(self, key, path=()):
        """Its cost with that of everything it calls."""
        if key in self._inclusive:
            return self._inclusive[key]
        total = float(self.self_cost[key])
        for callee, count in self.calls[key].items():
            if callee not in path and callee != key and self.entries[callee]:
                total += self.inclusive(callee, (*path, key)) * min(1.0, count / self.entries[callee])
        self._inclusive[key] = total
        return total

    def node(self, key, share, least, path=()):
        """(name, cost, children, style) of `share` of a function's cost."""
        own = self.self_cost[key] * share
        children = []
        for callee, count in self.calls[key].items():
            part = share * min(1.0, count / self.entries[callee]) if self.entries[callee] else 0
            cost = part * self.inclusive(callee)
            if callee in path or len(path) > DEEPEST or cost < least:
                own += 0 if callee in path else cost
                continue
            children.append(self.node(callee, part, least, (*path, key)))
        return key[1], own + sum(child[1] for child in children), children, ""

    def roots(self):
        """{function: share of it that no direct call explains}."""
        called = Tally()
        for callees in self.calls.values():
            called.update(callees)
        return {key: max(0.0, 1 - called[key] / self.entries[key]) if self.entries[key] else 1.0
                for key in self.self_cost}


def tree(counts, images, units):
    """The tree of a profile, for each unit of work; and its total."""
    graph = Graph(counts, images)
    least = LEAST * sum(graph.self_cost.values())
    by_image = defaultdict(list)
    for key, share in graph.roots().items():
        if share * graph.inclusive(key) >= least:
            by_image[key[0]].append(graph.node(key, share, least))
    images_of = []
    for number, label in enumerate(sorted(by_image, key=lambda label: -sum(node[1] for node in by_image[label]))):
        nodes = by_image[label]
        images_of.append((label, sum(node[1] for node in nodes), nodes, "f1" if label == "kernel" else COLOURS[number % 3]))
    total = float(sum(graph.self_cost.values()))
    rest = total - sum(node[1] for node in images_of)
    if rest > least:
        images_of.append(("(too small to draw)", rest, [], ""))

    def scaled(node, style=""):
        style = node[3] or style
        return node[0], node[1] / units, [scaled(child, style) for child in node[2]], style

    return scaled(("all", total, images_of, "")), total / units
