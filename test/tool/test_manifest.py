# SPDX-License-Identifier: MIT
"""What the host reads from a manifest, and what it says about a wrong one."""

from xo import manifest as manifests
from xo.common import Problem


def _problem(t, text):
    try:
        manifests.read(t.manifest(text))
    except Problem as problem:
        return str(problem)
    return t.fail("the manifest was accepted")


def test_programs_and_ports(t):
    manifest = manifests.read(t.manifest(
        "# comment\nprogram web   # trailing\n file httpd\n publish tcp 80\nprogram echo\n  publish udp 7\n"))
    t.equal([(p.name, p.file, p.publish) for p in manifest.programs],
            [("web", "httpd", [("tcp", 80)]), ("echo", "echo", [("udp", 7)])])
    t.equal(manifest.elves(), ["httpd", "echo"])


def test_words(t):
    t.equal(manifests._words(r'  a#b "c d" "e \"f\\" # g "h'), ["a#b", "c d", 'e "f\\'])
    t.equal(manifests._words("# nothing"), [])


def test_include_folder(t):
    manifest = manifests.read(t.manifest("include . as tests\ninclude test_pack.py as x/y.py"))
    names = [name for _, name in manifest.includes]
    t.check("tests/test_manifest.py" in names, f"{names}")
    t.check("x/y.py" in names, f"{names}")


def test_errors_name_the_line(t):
    t.match(_problem(t, "program a\n\ninclude nowhere"), r":3: .*does not exist")
    t.match(_problem(t, "program a\npublish sctp 5"), r":2: expected .publish")
    t.match(_problem(t, "publish tcp 5"), r":1: ")
    t.match(_problem(t, "include"), r":1: expected .include")


def test_unknown_application(t):
    done = t.xo("run", "no-such-application")
    t.check(done.returncode != 0, "xo run of an unknown application ended well")
    t.match(done.stderr, "no application or manifest named no-such-application")
