# SPDX-License-Identifier: MIT
"""./xo image: a bootable image of a manifest, for a CD drive, a USB stick or any
machine monitor that boots through BIOS."""

from pathlib import Path

from . import build, manifest as manifests, pack, setup
from .common import Problem, say, shown


def image_command(arguments):
    path = manifests.find(arguments.manifest)
    setup.ensure("run", arguments.yes)
    folder = build.build()
    manifest = manifests.read(path)
    out = Path(arguments.output or f"{path.stem}.iso")
    if out.is_dir():
        raise Problem(f"{shown(out)} is a folder", "name a file with -o")
    archive = pack.archive_write(manifest, folder / "images" / f"{path.stem}.archive", folder)
    kernel = build.kernel(folder)
    pack.iso_write(kernel, archive, out)
    say(f"kernel {len(pack.stripped(kernel))} bytes, archive {archive.stat().st_size} bytes "
        f"of {len(pack.archive_files(manifest, folder))} files")
    print(f"{shown(out)} {out.stat().st_size}")
    return 0
