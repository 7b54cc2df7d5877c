# SPDX-License-Identifier: MIT
"""Gets upstream sources at pinned versions and builds the C library from them.

Sources come through apt's own source packages, in private apt state (nothing
under /etc/apt is touched, and no root is needed), or else from the address in
the recipe; either way they are worth exactly their sha256. Results lie in the
cache under a name that holds a hash of recipe and compiler, so a folder that
exists is complete and current."""

import configparser
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import urllib.request

from .common import CACHE, ROOT, Problem, command, say, shown

PORTS = ROOT / "ports"


def recipe_read(name):
    recipe = configparser.ConfigParser(interpolation=None)
    path = PORTS / name / "recipe.ini"
    if not recipe.read(path, encoding="utf-8"):
        raise Problem(f"there is no recipe {shown(path)}")
    return recipe


def _recipe_hash(name, extra=""):
    digest = hashlib.sha256(extra.encode())
    folder = PORTS / name
    for path in [folder / "recipe.ini", *sorted(folder.glob("*.patch")),
                 *sorted(folder.glob("files/**/*"))]:
        if path.is_file():
            digest.update(f"{path.relative_to(PORTS)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def _locked():
    """One xo at a time fills the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- sources ---------------------------------------------------------------

def _apt_configure(state):
    """Private apt state that has deb-src lines for the system's own sites."""
    targets = command(["apt-get", "indextargets", "--no-release-info", "--format",
                       "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"])
    lines = sorted({f"deb-src [trusted=yes] {line}" for line in targets.splitlines()
                    if len(line.split()) == 3 and not line.split()[1].endswith("-security")})
    if not lines:
        raise Problem("apt knows no package source on this machine")
    for folder in ("lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    # trusted=yes: a source is judged by the sha256 in its recipe, not by a key.
    (state / "sources.list").write_text("\n".join(lines) + "\n")
    (state / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{state}/sources.list";\n'
        'Dir::Etc::sourceparts "/dev/null";\n'
        f'Dir::State::lists "{state}/lists";\n'
        f'Dir::Cache "{state}/cache";\n'
        f'APT::Sandbox::User "{_user()}";\n'
        'Acquire::Retries "3";\n')
    return dict(os.environ, APT_CONFIG=str(state / "apt.conf"))


def _user():
    import pwd
    return pwd.getpwuid(os.getuid()).pw_name


def _fetch_apt(source, into):
    state = CACHE / "apt"
    environment = _apt_configure(state)
    command(["apt-get", "update", "-q"], env=environment, what="apt-get update (in private state)")
    command(["apt-get", "source", "-q", "--download-only", "--tar-only", source["package"]],
            env=environment, cwd=into, what=f"apt-get source {source['package']}")


def _fetch(source):
    """The pinned archive, from the cache or the network."""
    folder = CACHE / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / source["archive"]
    if path.is_file() and _sha256(path) == source["sha256"]:
        return path

    say(f"fetching {source['package']} {source['version']} ...")
    tried = []
    if shutil.which("apt-get"):
        try:
            _fetch_apt(source, folder)
        except Problem as problem:
            tried.append(str(problem))
    if not path.is_file() and source.get("upstream"):
        try:
            with urllib.request.urlopen(source["upstream"], timeout=60) as answer:
                path.write_bytes(answer.read())
        except OSError as error:
            tried.append(f"{source['upstream']}: {error}")
    if not path.is_file():
        raise Problem(
            f"could not fetch {source['archive']}\n" + "\n".join(tried),
            f"check the network, or put the file into {shown(folder)} yourself "
            f"(sha256 {source['sha256']})")
    if _sha256(path) != source["sha256"]:
        found = _sha256(path)
        path.unlink()
        raise Problem(f"{source['archive']} has sha256 {found}, the recipe pins {source['sha256']}",
                      "it was deleted; fetch again, and if it repeats do not trust the mirror")
    return path


def _unpack(name, recipe, into):
    """Upstream's tree with our removals, files and patches applied."""
    archive = _fetch(recipe["source"])
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = member.name.split("/")
            # One folder up front is the version; some archives carry git's header too.
            if len(parts) < 2 or ".." in parts or not (member.isfile() or member.isdir()):
                continue
            target = into.joinpath(*parts[1:])
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(tar.extractfile(member).read())
            target.chmod(0o755 if member.mode & 0o100 else 0o644)
    for line in recipe.get("changes", "remove", fallback="").split():
        (into / line).unlink()
    files = PORTS / name / "files"
    if files.is_dir():
        shutil.copytree(files, into, dirs_exist_ok=True)
    for patch in sorted((PORTS / name).glob("*.patch")):
        command(["patch", "-p1", "--no-backup-if-mismatch", "-i", patch], cwd=into,
                what=f"applying {shown(patch)}")


# --- ports -----------------------------------------------------------------

def lwip():
    """The folder of lwIP's patched sources."""
    recipe = recipe_read("lwip")
    tree = CACHE / f"lwip-{recipe['source']['version']}-{_recipe_hash('lwip')}"
    if not tree.is_dir():
        with _locked():
            if not tree.is_dir():
                fresh = CACHE / "fresh-lwip"
                _unpack("lwip", recipe, fresh)
                fresh.rename(tree)
    return tree


def _compiler_identity(compiler):
    return command([*compiler, "--version"]).splitlines()[0]


def _check_libc(sysroot, recipe):
    """No trap instruction may be left, and no undefined name but the agreed ones."""
    library = sysroot / "lib"
    objects = [library / name for name in ("libc.a", "crt1.o", "crti.o", "crtn.o")]
    for path in objects:
        listing = command(["objdump", "-d", "--no-show-raw-insn", path])
        traps = re.findall(r"\t(?:syscall|sysenter|int +\$0x80)\b", listing)
        if traps:
            raise Problem(f"{len(traps)} system-call instructions are left in {path.name}",
                          "the list of files in ports/musl/recipe.ini is incomplete")
    defined, undefined = set(), set()
    for line in command(["nm", library / "libc.a"]).splitlines():
        words = line.split()
        if len(words) == 2 and words[0] in "Uwv":
            if words[0] == "U":
                undefined.add(words[1])
        elif len(words) == 3:
            defined.add(words[2])
    allowed = set(recipe["build"]["undefined"].split())
    left = {name for name in undefined - defined
            if name not in allowed and not name.startswith(("_GLOBAL_OFFSET", "__mul", "__div"))}
    if left - {"main", "_init", "_fini", "_DYNAMIC"}:
        raise Problem(f"libc.a leaves undefined names: {' '.join(sorted(left))}",
                      "either provide them in ports/musl/files or list them in recipe.ini")


def musl(compiler=("cc",)):
    """The sysroot of musl: include/ and lib/. Built when it is not there yet."""
    recipe = recipe_read("musl")
    identity = _compiler_identity(compiler)
    digest = _recipe_hash("musl", identity)
    sysroot = CACHE / f"musl-{recipe['source']['version']}-{digest}"
    if sysroot.is_dir():
        return sysroot
    with _locked():
        if sysroot.is_dir():
            return sysroot
        tree, staged = CACHE / "fresh-musl", CACHE / "fresh-musl-installed"
        log = CACHE / "musl.log"
        _unpack("musl", recipe, tree)
        shutil.rmtree(staged, ignore_errors=True)
        say(f"building musl {recipe['source']['version']} with {compiler[0]} (about half a minute) ...")
        flags = recipe["build"]["cflags"] + f" -ffile-prefix-map={tree}=musl"
        environment = dict(os.environ, CC=" ".join(compiler), CFLAGS=flags)
        for name in ("CPPFLAGS", "LDFLAGS", "MAKEFLAGS"):
            environment.pop(name, None)
        command(["./configure", "--target=x86_64-linux-musl", "--disable-shared", "--disable-wrapper",
                 f"--prefix={staged}", "--syslibdir=" + str(staged / "lib"),
                 "AR=ar", "RANLIB=ranlib"],
                cwd=tree, env=environment, log=log, what="musl's configure")
        command(["make", f"-j{os.cpu_count() or 2}", "install"],
                cwd=tree, env=environment, log=log, what="musl's make")
        _check_libc(staged, recipe)
        staged.rename(sysroot)
        shutil.rmtree(tree)
    return sysroot




def ports_command(arguments):
    """./xo ports: for meson.build. Prints where the ports are, one key=path a line."""
    compiler = arguments.compiler or [os.environ.get("CC", "cc")]
    try:
        for key, path in (("musl", musl(compiler)), ("lwip", lwip())):
            print(f"{key}={os.path.relpath(path, ROOT) if path.is_relative_to(ROOT) else path}")
    except subprocess.SubprocessError as error:
        raise Problem(str(error)) from None
    return 0
