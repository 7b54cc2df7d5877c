# SPDX-License-Identifier: MIT
"""./xo bench: chooses suites and subjects, runs them, prints and keeps the figures."""

import contextlib
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .. import build, setup
from ..common import ROOT, Problem, say, shown
from . import flame, gate, page, profile, suite_boot, suite_micro, suite_net, svg
from .figures import Figures, table
from .linux import Linux
from .subjects import Own, network_choose

# Subjects of this system, unless others are asked for.
SUITES = {
    "boot": (suite_boot.boot, ["httpd"]),
    "micro": (suite_micro.micro, ["micro"]),
    "http": (suite_net.http, ["httpd"]),
    "udp": (suite_net.udp, ["echo", "echo-sockets"]),
    "stream": (suite_net.stream, ["stream"]),
    "flood": (suite_net.flood, ["echo", "echo-sockets"]),
    "redis": (suite_net.redis, []),     # nothing of this system serves it yet
}
# Network stacks, by the subjects that have them.
STACKS = {"lwip": ["httpd", "echo-sockets", "stream"], "raw": ["echo"]}
LINUX_SERVERS = {"boot": ["nginx"], "micro": ["micro"], "http": ["nginx"], "udp": ["echo"], "stream": ["stream"], "flood": ["echo"],
                 "redis": ["redis"]}


@dataclass
class Profile:
    suite: str
    title: str
    subject: str
    lines: list      # of profile.Line
    tree: tuple      # of flame.tree()
    total: float


class Bench:
    """One run: what to measure and where the figures go."""

    def __init__(self, arguments, folder):
        self.folder = folder
        self.runs = arguments.runs
        self.seconds = arguments.seconds
        # A page holds everything; without one, a profile is all that somebody waits for who asks for it.
        self.only_profiles = arguments.profile and not arguments.html
        self.counts = arguments.only != "rates" and not self.only_profiles
        self.rates = arguments.only != "counts" and not self.only_profiles
        self.memory = arguments.only is None and not self.only_profiles
        self.gate = arguments.gate or arguments.set_budget
        self.profiling = arguments.profile or (bool(arguments.html) and arguments.only is None)
        self.figures = Figures(arguments.json)
        self.profiles = []
        self.failed = []
        self.linux = None
        self.network = arguments.net if arguments.net != "auto" else network_choose(self.figures)
        self._arguments = arguments

    def subjects(self, suite):
        arguments = self._arguments
        names = arguments.subject.split(",") if arguments.subject else list(SUITES[suite][1])
        if arguments.stack:
            names = [name for name in names if any(name in STACKS[stack] for stack in arguments.stack.split(","))]
        if arguments.vs and arguments.vs not in names:
            names.append(arguments.vs)
        subjects = [Linux(self.folder, LINUX_SERVERS[suite]) if name == "linux" else Own(name, self.folder)
                    for name in names]
        self.linux = next((one for one in subjects if one.name == "linux"), self.linux)
        return subjects

    def serving(self, suite, subjects, protocol, port):
        """Those that the suite can ask something."""
        for one in subjects:
            if not one.serves(protocol, port):
                self.figures.say(f"{suite}: {one.name} publishes no {protocol} port {port}; it is left out")
        return [one for one in subjects if one.serves(protocol, port)]

    @contextlib.contextmanager
    def trying(self, suite, subject):
        """What one subject can't do does not end the measurement of the others."""
        try:
            yield
        except (Problem, OSError) as problem:
            self.failed.append(f"{suite} {subject.name}")
            self.figures.say(f"{suite}, {subject.name}: {problem}")

    def profile_add(self, suite, title, subject, counts, done, running):
        elves = subject.profile_elves(running)
        lines = profile.profile(counts, elves, done)
        tree, total = flame.tree(counts, profile.images_of_pages(counts, elves), done)
        self.profiles.append(Profile(suite, title, subject.name, lines, tree, total))
        if self._arguments.profile:
            print(profile.text(lines, f"{title}: {subject.name}"), flush=True)
        path = self.folder / "bench" / f"profile-{suite}-{subject.name}.svg"
        path.write_text(svg.flame_file(title, tree, total), encoding="utf-8")
        say(f"flame graph: {shown(path)}")


def _interrupted(number, frame):
    raise KeyboardInterrupt


def _suites(arguments):
    for name in arguments.suite:
        if name not in SUITES:
            raise Problem(f"there is no suite {name}", f"give some of: {', '.join(SUITES)}")
    for name in (arguments.stack or "lwip").split(","):
        if name not in STACKS:
            raise Problem(f"there is no network stack {name}", f"there are: {', '.join(STACKS)}")
    # Without names: those that have something of this system to measure.
    return arguments.suite or [name for name, (_, subjects) in SUITES.items() if subjects or arguments.subject]


def _about(bench, names):
    """What a page says about how its figures came to be."""
    def first(*words):
        return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False).stdout.splitlines()[0:1] or ["?"]
    commit = first("git", "-C", str(ROOT), "log", "-1", "--format=%h of %cs: %s")[0]
    lines = [f"Commit {commit}. {first('qemu-system-x86_64', '--version')[0]}, emulated, one core, virtio-net over "
             f"{'a tap in a private network' if bench.network == 'tap' else 'user networking'}; {bench.runs} runs of each figure, "
             f"{bench.seconds:g} s for a rate."]
    if bench.linux:
        lines.append("Linux guest: " + ", ".join(bench.linux.packages_shown()) + ", open_file_cache on.")
    return lines


def bench_command(arguments):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    if arguments.gate or arguments.set_budget:
        arguments.only, arguments.suite = "counts", arguments.suite or list(gate.GATED)
    names = _suites(arguments)
    setup.ensure("run", arguments.yes)
    bench = Bench(arguments, build.build())
    try:
        for name in names:
            try:
                SUITES[name][0](bench, bench.subjects(name))
            except (Problem, OSError) as problem:      # the other suites still have something to say
                bench.failed.append(name)
                bench.figures.say(f"the suite {name} did not finish: {problem} {getattr(problem, 'hint', None) or ''}")
    finally:
        bench.figures.close()
        if bench.figures.all:
            table(bench.figures)
    if not bench.figures.all and not bench.profiles:
        raise Problem("nothing was measured", "; ".join(bench.figures.notes) or None)
    if arguments.set_budget:
        gate.write(bench.figures)
    elif arguments.gate:
        return gate.report(bench.figures) or (1 if bench.failed else 0)
    if arguments.html:
        page.write(arguments.html, bench.figures, bench.profiles, _about(bench, names))
        say(f"page: {shown(Path(arguments.html))}")
    if arguments.json:
        say(f"figures: {shown(Path(arguments.json))}")
    return 1 if bench.failed else 0


def arguments_add(part):
    """The options of ./xo bench."""
    part.add_argument("suite", nargs="*", metavar="SUITE", help=f"some of: {', '.join(SUITES)} (default: all)")
    part.add_argument("--subject", metavar="A,B,...", help="programs or manifests of this system, or linux")
    part.add_argument("--stack", metavar="A,B", help=f"only subjects with these network stacks: {', '.join(STACKS)}")
    part.add_argument("--vs", choices=["linux"], help="beside a Linux guest, made from Debian's packages")
    part.add_argument("--runs", type=int, default=3, metavar="N", help="runs of each figure (3)")
    part.add_argument("--seconds", type=float, default=2, metavar="S", help="length of a run that measures a rate (2)")
    part.add_argument("--only", choices=["counts", "rates"], help="only exact counts, or only rates")
    part.add_argument("--net", choices=["auto", "tap", "user"], default="auto",
                      help="how clients reach guests (auto: tap when root)")
    part.add_argument("--profile", action="store_true", help="where the instructions go, by function")
    part.add_argument("--gate", action="store_true", help="fail when counted work costs more than its budget")
    part.add_argument("--set-budget", action="store_true", help="make what is counted the budget")
    part.add_argument("--html", metavar="FILE", help="a page with tables and charts, complete in itself")
    part.add_argument("--json", metavar="FILE", help="one JSON object a line for each figure")
