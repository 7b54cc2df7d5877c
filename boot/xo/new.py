# SPDX-License-Identifier: MIT
"""./xo new: a new application with its manifest, a test and its line in
apps/meson.build; small enough to read at once, and it runs as it is."""

import re

from .common import ROOT, Problem, say, shown

SOURCE = """\
/* SPDX-License-Identifier: MIT */
/*
 * {name}: say here what this program does.
 */
#include <stdio.h>

int main(int argc, char **argv)
{{
    printf("hello from %s\\n", argc > 0 ? argv[0] : "{name}");
    return 0;
}}
"""

MANIFEST = """\
# What {name} is given; every line is explained in docs/manifest.md.
program {name}
  memory 4M
  console yes
  expect exit 0
"""

TEST = '''\
# SPDX-License-Identifier: MIT
"""{name} boots, says hello and ends well."""

from xo.testing import limit


@limit(30)
def test_hello(t):
    guest = t.boot("{name}")
    guest.wait_line(r"^{name}: hello from {name}", 20)
    t.equal(guest.wait_exit(10), t.OK, "exit status")
'''


def new_command(arguments):
    name = arguments.name
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,14}", name) or name in ("init", "all"):
        raise Problem(f"{name!r} cannot be the name of an application",
                      "use up to 15 of a-z, 0-9 and '-', beginning with a letter")
    build_file = ROOT / "apps" / "meson.build"
    files = {
        ROOT / "apps" / name / f"{name}.c": SOURCE,
        ROOT / "apps" / name / f"{name}.manifest": MANIFEST,
        ROOT / "test" / "apps" / f"test_{name.replace('-', '_')}.py": TEST,
    }
    for path in [ROOT / "apps" / name, *files]:
        if path.exists():
            raise Problem(f"{shown(path)} exists already", "choose another name")
    text = build_file.read_text()
    changed, count = re.subn(r"(?ms)^(apps = \{\n.*?)^\}", rf"\1  '{name}': ['{name}.c'],\n}}", text, count=1)
    if not count:
        raise Problem(f"there is no list of applications in {shown(build_file)}")
    for path, template in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.format(name=name))
        say(f"wrote {shown(path)}")
    build_file.write_text(changed)
    say(f"added a line to {shown(build_file)}")
    say(f"now: ./xo run {name}   and: ./xo test apps -k {name}")
    return 0
