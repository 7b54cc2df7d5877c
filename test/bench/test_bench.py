# SPDX-License-Identifier: MIT
"""The benchmark itself: what the plugin takes an instruction for, the load clients, the
judgement of the gate, the page; and the gate's cheap budgets."""

import contextlib
import ctypes
import http.server
import json
import re
import shutil
import socket
import threading
from pathlib import Path
from types import SimpleNamespace

from xo.bench import counting, figures as of_figures, flame, gate, host, page, rates, suite_boot, suite_micro
from xo.bench.subjects import Own
from xo.testing import limit

REP, CR3, PORT, SYSCALL, HLT, IRET, MOVE = 2, 4, 8, 16, 32, 64, 128
INSTRUCTIONS = {
    "f3 48 a5": REP,                    # rep movsq
    "48 a5": 0,                         # movsq
    "f3 0f 1e fa": 0,                   # endbr64
    "f3 aa": REP,                       # rep stosb
    "f2 ae": REP,                       # repne scasb
    "f3 6e": REP | PORT,                # rep outsb
    "f3 90": 0,                         # pause
    "0f 22 d8": CR3,                    # mov %rax, %cr3
    "41 0f 22 da": CR3,                 # mov %r10, %cr3
    "0f 22 e0": 0,                      # mov %rax, %cr4
    "ec": PORT, "e6 70": PORT,          # in, out
    "0f 05": SYSCALL, "f4": HLT, "48 cf": IRET,
    "89 07": MOVE,                      # mov %eax, (%rdi)
    "89 c7": 0,                         # mov %eax, %edi
    "48 8b 45 f8": 0,                   # mov -8(%rbp), %rax
    "48 8b 44 24 08": 0,                # mov 8(%rsp), %rax
    "8b 04 8f": MOVE,                   # mov (%rdi,%rcx,4), %eax
    "65 48 8b 00": 0,                   # mov %gs:(%rax), %rax
    "0f b6 00": MOVE,                   # movzbl (%rax), %eax
    "90": 0,
}


def test_decode(t):
    folder = host.SOURCE / "plugin"
    library = t.work / "decode.so"
    t.run("gcc", "-shared", "-fPIC", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error",
          folder / "decode.c", "-o", library)
    decode = ctypes.CDLL(str(library)).decode_kind
    decode.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    for text, kind in INSTRUCTIONS.items():
        code = bytes.fromhex(text)
        t.equal(decode(code, len(code)), kind, text)
        for length in range(len(code)):
            decode(code[:length], length)       # never looks behind the end


class _Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    requests = 0

    def do_GET(self):
        body = b"x" * 600
        type(self).requests += 1
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


@contextlib.contextmanager
def _site():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    server.handle_error = lambda *unused: None      # clients that leave are no news
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield str(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _client(t, name, *words):
    return json.loads(t.run(host.client(name), *words, check=False).stdout)


@limit(60)
def test_http_client(t):
    with _site() as port:
        for options in (["-c", 4], ["-c", 4, "-x"], ["-c", 1, "-w", 0.1]):
            result = _client(t, "http", *options, "-n", 20, "127.0.0.1", port)
            t.equal((result["done"], result["errors"]), (20, 0), str(options))
            t.check(result["latency"]["0.5"] > 0, "no latency")
        bad = _client(t, "http", "-c", 2, "-n", 10, "-p", "/none", "127.0.0.1", port)
        t.equal((bad["done"], bad["errors"]), (0, 10), "answers with another status")
    refused = _client(t, "http", "-n", 5, "-t", 2, "127.0.0.1", port)
    t.equal((refused["done"], refused["errors"]), (0, 5), "nobody there")


@limit(30)
def test_redis_client(t):
    """Against a server that answers everything as if it were right, and every tenth GET wrongly if asked to."""
    def serve(server, wrong):
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            waiting, number = b"", 0
            with connection:
                while got := connection.recv(65536):
                    waiting += got
                    while (found := re.match(rb"\*(\d)\r\n", waiting)) and waiting.count(b"\r\n") >= 1 + 2 * int(found[1]):
                        words = waiting.split(b"\r\n", 1 + 2 * int(found[1]))
                        waiting = words.pop()
                        number += words[2] == b"GET"
                        bad = wrong and number == 10
                        connection.sendall(b"+OK\r\n" if words[2] == b"SET" else b"$-1\r\n" if bad else b"$3\r\nxyz\r\n")

    for options, wrong, done, errors in ((["-n", 20], False, 20, 0), (["-n", 32, "-d", 16], False, 32, 0),
                                         (["-n", 20, "-p", "set"], False, 20, 0), (["-n", 20, "-t", 1], True, 9, 1)):
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=serve, args=(server, wrong), daemon=True)
            thread.start()
            result = _client(t, "redis", *options, "127.0.0.1", server.getsockname()[1])
            t.equal((result["done"], result["errors"]), (done, errors), str(options))
            thread.join(5)


@limit(30)
def test_udp_client(t):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)

        def echo():     # every tenth is lost
            number = 0
            with contextlib.suppress(OSError):
                while True:
                    data, sender = server.recvfrom(2000)
                    number += 1
                    if number % 10:
                        server.sendto(data, sender)

        thread = threading.Thread(target=echo, daemon=True)
        thread.start()
        result = _client(t, "udp", "-c", 10, "-n", 100, "-t", 5, "127.0.0.1", server.getsockname()[1])
    t.equal((result["done"], result["errors"]), (90, 10), "answered, lost")


def _figures(*values):
    figures = of_figures.Figures()
    for suite, name, subject, found in values:
        figures.add(suite, name, subject, "insns", found, "count")
    return figures


def test_gate_judges(t):
    known = {"http": {"a": {"x: insns -rep": 1000}}}
    real, gate.budgets = gate.budgets, lambda: known
    try:
        for found, verdict in (([1019, 1500], "ok"), ([1021], "over"), ([979], "under"), ([981, 400000], "ok")):
            judged = gate.judge(_figures(("http", "x: insns -rep", "a", found)))
            t.equal([one[3] for one in judged], [verdict], str(found))
        judged = gate.judge(_figures(("http", "y: insns -rep", "a", [1])))
        t.equal([one[3] for one in judged], ["new", "lost"])
        t.check("not measured" in gate.line(*judged[1]), "a figure that is missing")
        t.equal(gate.judge(_figures(("http", "x: insns -rep", "linux", [1]))), [], "Linux has no budget")
    finally:
        gate.budgets = real


def test_counts_until_undisturbed(t):
    """Runs that something disturbed are dearer: more of them, until the median is not one of those."""
    for runs, made, expected in ((3, [100, 100.9, 300], 3), (3, [100, 200, 300, 100.1, 100.2], 5), (1, [100], 1),
                                 (3, list(range(100, 200, 5)), 9)):
        done = []
        while counting.more(done, runs):
            done.append(made[len(done)])
        t.equal(len(done), expected, str(made))


def test_ratios_that_the_spread_swallows(t):
    """Pair by pair for rates; for counts, when the two overlap."""
    bench = SimpleNamespace(figures=of_figures.Figures())
    for name, own, shown in (("clear", [2.0, 3.0, 2.5], "2.5 (2 – 3)"), ("swallowed", [2.0, 0.9, 2.5], "–"),
                             ("two pairs", [2.0, 3.0], "–")):
        rates.ratios(bench, "http", name, {"httpd": own, "linux": [1.0] * len(own)})
        t.equal(of_figures.cell(bench.figures.all[-1]), shown, name)
    for name, own, shown in (("clear", [100, 103], "0.5"), ("swallowed", [180, 250], "–")):
        figures = _figures(("udp", f"{name}: insns -rep", "a", own), ("udp", f"{name}: insns -rep", "linux", [200, 206]))
        t.equal(of_figures.cell(figures.of("udp")[0][f"{name}: insns -rep"]["a/linux"]), shown, name)


def _page(t):
    figures = _figures(("http", "keep-alive 600 B, 1: insns -rep", "httpd", [10000, 10100]),
                       ("http", "keep-alive 600 B, 1: user -rep", "httpd", [6000, 6100]),
                       ("http", "keep-alive 600 B, 1: insns -rep", "linux", [34000, 34100]))
    for subject, scale in (("httpd", 1), ("linux", 2)):
        for connections in (1, 16, 64):
            figures.add("http", f"keep-alive 600 B, {connections}: rate", subject, "requests/s",
                        [900.0 * connections / scale, 1000.0 * connections / scale], "rate",
                        extra={"latency": {"0": 10 * scale, "0.5": 20 * scale, "0.99": 90 * scale}})
        figures.add("flood", "useful at 4x", subject, "packets/s", [1000.0], "rate", extra={"offered": 4000.0})
    figures.notes.append("a <note>")
    tree = ("all", 100.0, [("kernel", 60.0, [("nic_poll", 50.0, [], "f0")], "f0"), ("httpd", 40.0, [], "f1")], "")
    profile = SimpleNamespace(title="a request", subject="httpd", lines=[], tree=tree, total=100.0)
    path = t.work / "page.html"
    page.write(path, figures, [profile], ["about"])
    return path


def test_page_is_complete(t):
    text = _page(t).read_text(encoding="utf-8")
    for word in ("<script", "http://", "https://", "url(", "@import", "<note>"):
        t.check(word not in text, f"the page holds {word}")
    for word in ("nic_poll", "34,050", "a &lt;note&gt;", "Useful against offered rate", "p99"):
        t.check(word in text, f"the page lacks {word}")


@limit(90)
def test_page_in_a_browser(t):
    browser = shutil.which("chromium")
    if not browser:
        t.skip("chromium is not installed")
    path = _page(t)
    for width in (390, 1100):
        picture = t.work / f"{width}.png"
        t.run(browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={t.work / 'browser'}",
              f"--screenshot={picture}", f"--window-size={width},1600", path.as_uri(), timeout=40)
        t.check(picture.stat().st_size > 20000, "the picture is empty")
    sheet = t.work / "page.pdf"
    t.run(browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={t.work / 'browser'}",
          f"--print-to-pdf={sheet}", path.as_uri(), timeout=40)
    t.check(sheet.read_bytes()[:4] == b"%PDF", "it does not print")
    shutil.rmtree(t.work / "browser", ignore_errors=True)


def test_flame_accounts_for_everything(t):
    """main calls f twice (directly), a handler is entered by itself: all cost is in the tree."""
    class Program:
        label = "p"
        names = {0x10: "main", 0x40: "f", 0x80: "handler"}

        def address(self, name):
            return next(at for at, other in self.names.items() if other == name)

        def function(self, vaddr):
            return self.names[max(at for at in self.names if at <= vaddr)]

    elf = Program()
    call = b"\xe8" + (0x40 - 0x10 - 5).to_bytes(4, "little", signed=True)
    counts = {(0x10, 0, call): (2, 0), (0x40, 0, b"\x90"): (2, 0), (0x41, 0, b"\xc3"): (2, 0),
              (0x80, 0, b"\x90"): (5, 0)}
    root, total = flame.tree(counts, {(0, 0): elf}, 1)
    t.equal(total, 11.0)
    image = root[2][0]
    t.equal(sorted((node[0], node[1]) for node in image[2]), [("handler", 5.0), ("main", 6.0)])


def _bench(t, runs=1):
    return SimpleNamespace(folder=t.folder, figures=of_figures.Figures(), runs=runs, counts=True, gate=True,
                           only_profiles=False, trying=lambda *unused: contextlib.nullcontext())


def _judged(t, figures):
    judged = gate.judge(figures)
    t.check(judged, "nothing was counted")
    over = [gate.line(*one) for one in judged if one[3] in ("over", "new", "lost")]
    t.check(not over, "more than the budget in test/bench/budget.json:\n" + "\n".join(over))
    return f"{len(judged)} budgets"


def _compiler_is_of_the_budget(t):
    text = (Path(t.folder) / "compile_commands.json").read_text(encoding="utf-8")
    if "clang" in text.partition("\n")[0] + json.loads(text)[0]["command"].split()[0]:
        t.skip("the budgets are of what gcc makes")


@limit(120)
def test_budget_of_primitives(t):
    """Counted twice: nothing from outside takes part, so the second run is the first to the instruction."""
    _compiler_is_of_the_budget(t)
    bench = _bench(t, runs=2)
    suite_micro.micro(bench, [Own("micro", t.folder)])
    for figure in bench.figures.all:
        t.equal(figure.values[0], figure.values[1], f"the second run of {figure.name}")
    return _judged(t, bench.figures)


@limit(120)
def test_budget_of_a_closed_run(t):
    """And two runs that nothing from outside drives are the same, to the instruction."""
    _compiler_is_of_the_budget(t)
    bench = _bench(t)
    suite_boot.closed_run(bench)
    values = bench.figures.all[0].values
    t.equal(values[0], values[1], "the second run")
    return _judged(t, bench.figures)
