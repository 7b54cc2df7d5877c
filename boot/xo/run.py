# SPDX-License-Identifier: MIT
"""./xo run: from an application's name to a page in a browser, and a clean end.

Exit status: 0 when the guest ended well, or when the person ended a guest that
was running well; anything else is a failure and the last line says which."""

import os
import queue
import re
import signal
import sys
import threading
from pathlib import Path

from . import accel, build, manifest as manifests, pack, setup
from .common import Problem, bold, green, red, say, shown
from .qemu import STATUS_OK, Guest, Machine, verdict

READY = re.compile(r"^(\S+): ready\b *(.*)$")
ADDRESS = re.compile(r"\b(\d+\.\d+\.\d+\.\d+)(?::(\d+))?")
CRASH = re.compile(r"^(init: crash|exo: panic)")
RUNNING = re.compile(r"^init: running")

PREFERRED = {("tcp", 80): 8080, ("tcp", 443): 8443}


def publish_parse(text):
    """--publish HOST:GUEST[/udp] → (protocol, guest port, host port)."""
    found = re.fullmatch(r"(\d+):(\d+)(?:/(tcp|udp))?", text)
    if not found:
        raise Problem(f"--publish {text} is not HOST:GUEST, two port numbers",
                      "for example --publish 9000:80, or --publish 9007:7/udp")
    return found[3] or "tcp", int(found[2]), int(found[1])


def machine_prepare(manifest, folder, boot, name):
    """The files that a boot needs, freshly packed; as keywords of Machine."""
    archive = pack.archive_write(manifest, folder / "images" / f"{name}.archive", folder)
    kernel = build.kernel(folder)
    if boot == "pvh":
        return {"kernel": kernel, "archive": archive}
    return {"iso": pack.iso_write(kernel, archive, folder / "images" / f"{name}.iso")}


class Session:
    """What the guest said so far, and what was told to the person because of it."""

    def __init__(self, manifest, arguments):
        self.manifest = manifest
        self.net = arguments.net
        self.wanted = {(protocol, guest): host for protocol, guest, host in
                       map(publish_parse, arguments.publish)}
        known = {port for program in manifest.programs for port in program.publish}
        self.unknown = [port for port in self.wanted if port not in known]  # for who is ready first
        self.events = queue.SimpleQueue()
        self.running = False
        self.crashed = None

    def line(self, text):
        """Called for every console line, in the reader's thread."""
        label = text.split(":", 1)[0]
        style = bold if label in ("exo", "init") else green
        if CRASH.match(text):
            style = red
            self.crashed = self.crashed or text
        rest = text[len(label):]
        try:
            print(style(label) + rest if rest.startswith(":") else text, flush=True)
        except OSError:
            self.events.put(("stop", "nobody reads the output"))
        if RUNNING.match(text):
            self.running = True
        ready = READY.match(text)
        if ready:
            self.events.put(("ready", ready[1], ready[2]))

    def ready(self, guest, name, text):
        """A program is ready: make it reachable, say where."""
        program = self.manifest.program(name)
        address = ADDRESS.search(text)
        ports = list(program.publish) if program else []
        if "http://" in text and not any(protocol == "tcp" for protocol, _ in ports):
            ports.append(("tcp", int(address[2] or 80) if address else 80))
        if address:
            ports += [port for port in self.unknown if port not in ports]
            self.unknown = []
        if not ports or not address or self.net == "none":
            say(f"{name} is ready")
        for protocol, port in ports if address and self.net != "none" else []:
            at = f"{address[1]}:{port}"
            if self.net == "user":
                chosen = self.wanted.get((protocol, port))
                if chosen:
                    host = guest.forward(protocol, address[1], port, chosen, exact=True)
                else:
                    prefer = PREFERRED.get((protocol, port), port + 8000 if port < 1024 else port)
                    host = guest.forward(protocol, address[1], port, prefer)
                at = f"127.0.0.1:{host}"
            what = f"open http://{at}/" if protocol == "tcp" and "http://" in text else f"{protocol} {at}"
            say(green(f"{name} is ready: {what}", sys.stderr))


def _keys(guest):
    """What the person types, a line at a time, goes to the guest's console."""
    try:
        while typed := os.read(0, 4096):
            guest.type(typed)
    except OSError:
        pass  # no longer this terminal's foreground


def _watch(guest, events):
    guest.wait()
    events.put(("ended",))


def end_status(guest, session, ended_by):
    """The exit status of xo, and the readable last line."""
    failed = red("failed", sys.stderr)
    if not ended_by:
        status = guest.exit_status
        if status == STATUS_OK:
            return 0, "the guest ended well"
        why = [session.crashed] if session.crashed else []
        return max(status, 1), "\n".join([f"{failed}: {verdict(status)}", *why, guest.errors()]).strip()
    if session.crashed:
        return 1, f"{failed}: {session.crashed}"
    if ended_by == "timeout":
        return 124, f"{failed}: the time limit was reached and the guest still ran"
    if session.running:
        return 0, f"stopped ({ended_by})"
    return 130, f"{failed}: stopped ({ended_by}) before the guest was running"


def supervise(machine, session, timeout=None, log=None):
    """Boot, follow, end. Signals count even where they were inherited as ignored."""
    events = session.events
    old = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        old[number] = signal.signal(
            number, lambda got, frame: events.put(("stop", signal.Signals(got).name)))
    ended_by = None
    try:
        with Guest(machine, on_line=session.line, log=log, keep=False) as guest:
            threading.Thread(target=_watch, args=(guest, events), daemon=True).start()
            if os.isatty(0):
                signal.signal(signal.SIGTTIN, signal.SIG_IGN)
                threading.Thread(target=_keys, args=(guest,), daemon=True).start()
            timer = threading.Timer(timeout, events.put, [("stop", "timeout")]) if timeout else None
            if timer:
                timer.daemon = True
                timer.start()
            while True:
                event = events.get()
                if event[0] == "ended":
                    break
                if event[0] == "stop":
                    ended_by = event[1]
                    break
                try:
                    session.ready(guest, event[1], event[2])
                except OSError as error:
                    say(f"could not publish {event[1]}: {error}")
            if timer:
                timer.cancel()
            guest.stop()
            status, words = end_status(guest, session, ended_by)
            say(words)
            return status
    finally:
        for number, handler in old.items():
            signal.signal(number, handler or signal.SIG_DFL)


def machine_options(arguments):
    return {"accel": accel.choose(arguments.accel), "memory": arguments.mem, "cores": arguments.smp,
            "net": arguments.net, "pcap": arguments.pcap, "icount": arguments.icount,
            "disk": arguments.disk}


def run_command(arguments):
    path = manifests.find(arguments.app)
    for text in arguments.publish:
        publish_parse(text)
    setup.ensure("run", arguments.yes)
    folder = build.build()
    manifest = manifests.read(path)
    if arguments.table:
        manifest.text += b"\ntable %d\n" % (arguments.table * 1000)
    name = Path(path).stem
    machine = Machine(**machine_prepare(manifest, folder, arguments.boot, name),
                      **machine_options(arguments))
    keys = ", t and Enter show who has what" if os.isatty(0) else ""
    how = "GRUB" if arguments.boot == "grub" else "PVH"
    say(f"booting {shown(path)} through {how} under {machine.accel.upper()}; Ctrl-C ends it{keys}")
    return supervise(machine, Session(manifest, arguments), arguments.timeout)
