# SPDX-License-Identifier: MIT
"""The yardstick: Debian's cloud kernel with nginx and redis, made from Debian's
packages in private apt state and unpacked in the cache; installed nowhere."""

import hashlib
import os
import re
import shutil
import socket

from ..common import CACHE, Problem, command, say
from ..qemu import MAC, Machine, verdict
from . import cpio, host
from .elf import Elf, Symbols, Unnamed, needed
from .subjects import ADDRESS, BOOT_LIMIT, www

FOLDER = CACHE / "bench" / "linux"
KERNEL = "linux-image-cloud-amd64"      # names the real package
PROGRAMS = {"usr/sbin/nginx": "nginx", "usr/bin/redis-check-rdb": "redis-tools"}
LIBRARIES = ["libc6", "libcrypt1", "libpcre2-8-0", "libssl3", "zlib1g", "libatomic1", "libjemalloc2",
             "liblzf1", "libsystemd0", "libcap2", "libgcrypt20", "libgpg-error0", "liblz4-1", "liblzma5",
             "libzstd1", "libstdc++6", "libgcc-s1"]
DRIVERS = ["virtio_pci", "virtio_net"]
KEPT = 16       # archives
SERVERS = {"nginx": ("tcp", 80), "redis": ("tcp", 6379), "echo": ("udp", 7), "stream": ("tcp", 9)}
# -cpu max shows no TSC that Linux would trust; without this it may switch clocks in a run.
BOOT_WORDS = "console=ttyS0 quiet nokaslr panic=-1 tsc=reliable"


# --- packages ----------------------------------------------------------------

def _apt_environment():
    state = FOLDER / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    import pwd
    (state / "apt.conf").write_text(
        f'Dir::State::lists "{state}/lists";\nDir::Cache "{state}/cache";\n'
        f'APT::Sandbox::User "{pwd.getpwuid(os.getuid()).pw_name}";\nAcquire::Retries "3";\n')
    return dict(os.environ, APT_CONFIG=str(state / "apt.conf"))


def _packages_fetch(into):
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Problem("the Linux guest is made of Debian's packages, and apt-get is missing here",
                      "run without --vs linux, or on Debian")
    environment = _apt_environment()
    say("fetching Debian's packages for the Linux guest (about 40 MB) ...")
    command(["apt-get", "update", "-q"], env=environment, what="apt-get update (in private state)")
    depends = command(["apt-cache", "depends", KERNEL], env=environment)
    image = re.search(r"Depends: (linux-image-\S+)", depends)
    if not image:
        raise Problem(f"{KERNEL} does not name a kernel here")
    command(["apt-get", "download", "-q", image[1], *PROGRAMS.values(), *LIBRARIES],
            env=environment, cwd=into, what="apt-get download")


def _tree():
    """Everything unpacked."""
    tree = FOLDER / "tree"
    if tree.is_dir():
        return tree
    debs, fresh = FOLDER / "debs", FOLDER / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    debs.mkdir(parents=True, exist_ok=True)
    fresh.mkdir(parents=True)
    _packages_fetch(debs)
    for package in sorted(debs.glob("*.deb")):
        command(["dpkg-deb", "-x", package, fresh], what=f"unpacking {package.name}")
    (fresh / "packages").write_text("\n".join(sorted(path.stem for path in debs.glob("*.deb"))) + "\n")
    fresh.rename(tree)
    shutil.rmtree(debs)
    return tree


# --- the file system ---------------------------------------------------------

def _libraries(tree, programs):
    """The shared libraries that the programs need, and theirs."""
    folders = [tree / "lib/x86_64-linux-gnu", tree / "usr/lib/x86_64-linux-gnu"]
    found, waiting = {}, list(programs)
    while waiting:
        for name in needed(waiting.pop()):
            if name in found:
                continue
            path = next((folder / name for folder in folders if (folder / name).exists()), None)
            if not path:
                raise Problem(f"no package of the Linux guest has {name}",
                              "add its package to LIBRARIES in boot/xo/bench/linux.py")
            found[name] = path.resolve()
            waiting.append(found[name])
    return found


def _modules(tree):
    """(path, file) of the drivers and what they depend on, in the order of loading."""
    files = {path.stem.replace("-", "_"): path for path in (tree / "lib/modules").rglob("*.ko")}
    order = []

    def need(name):
        if name not in files or name in order:
            return
        depends = re.search(rb"\0depends=([^\0]*)\0", b"\0" + files[name].read_bytes())
        for other in (depends[1].decode().split(",") if depends else []):
            need(other.replace("-", "_"))
        order.append(name)

    for driver in DRIVERS:
        need(driver)
    return [(f"modules/{name}.ko", files[name]) for name in order]


def micro():
    """The program of the suite `micro`."""
    names = ("micro_linux.c", "micro_linux_programs.c", "micro_posix.c", "micro_touch.c", "micro.h")
    sources = [host.SOURCE / "guest" / name for name in names]
    return host.made("linux-micro", sources, ["-static", "-pthread"])


def _nothing():
    """What the program of `micro` executes: as small as it can be."""
    return host.made("linux-nothing", [host.SOURCE / "guest" / "nothing.c"],
                     ["-static", "-nostdlib", "-Wl,-z,noseparate-code", "-Wl,--build-id=none"])


def _own(name):
    """A program of ours, for Linux."""
    return micro() if name == "micro" else host.made(f"linux-{name}", [host.SOURCE / "guest" / f"{name}.c"], ["-static"])


def _initramfs(tree, folder, servers):
    """What the servers need and nothing else: the yardstick shall not carry what it does not use."""
    modules = _modules(tree)
    source = host.SOURCE / "linux"
    debian = {"nginx": ("usr/sbin/nginx", tree / "usr/sbin/nginx"),
              "redis": ("usr/bin/redis-server", tree / "usr/bin/redis-check-rdb")}
    programs = dict(debian[name] for name in servers if name in debian)
    files = [("init", host.made("linux-init", [source / "init.c"], ["-static"]), 0o755),
             ("etc/nginx.conf", source / "nginx.conf", 0o644), ("etc/redis.conf", source / "redis.conf", 0o644),
             ("lib64/ld-linux-x86-64.so.2", (tree / "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2").resolve(), 0o755)]
    files += [(name, path, 0o755) for name, path in programs.items()]
    files += [(name, _own(name), 0o755) for name in servers if name in ("echo", "stream", "micro")]
    files += [("nothing", _nothing(), 0o755)] if "micro" in servers else []
    files += [(f"lib/x86_64-linux-gnu/{name}", path, 0o755)
              for name, path in sorted(_libraries(tree, programs.values()).items())]
    files += [(name, path, 0o644) for name, path in modules]
    files += [(f"www/{path.name}", path, 0o644) for path in sorted(www(folder).iterdir())]
    content = [(name, path.read_bytes(), mode) for name, path, mode in files]
    content += [("etc/passwd", b"root:x:0:0::/:/init\n", 0o644), ("etc/group", b"root:x:0:\nnogroup:x:65534:\n", 0o644),
                ("modules/order", "".join(f"/{name}\n" for name, _ in modules).encode(), 0o644)]
    return cpio.archive(content, ["proc", "sys", "dev", "tmp", "var/log/nginx", "var/lib/nginx", "run"])


def _prune(kept):
    """Forgets the oldest archives: each change of a program makes another one."""
    archives = sorted(FOLDER.glob("initramfs-*"), key=lambda path: path.stat().st_mtime)
    for path in archives[:-kept]:
        path.unlink(missing_ok=True)


class Linux:
    """The guest as a subject."""
    name = "linux"
    memory = "512M"

    def __init__(self, folder, servers=("nginx", "echo"), words=""):
        self.folder = folder
        self.tree = _tree()
        self.kernel = next(iter(sorted(self.tree.glob("boot/vmlinuz-*"))), None)
        if not self.kernel:
            raise Problem("the kernel's package holds no kernel")
        content = _initramfs(self.tree, folder, servers)
        self.archive = FOLDER / f"initramfs-{hashlib.sha256(content).hexdigest()[:12]}.cpio"
        if not self.archive.is_file():
            fresh = self.archive.with_suffix(f".{os.getpid()}")
            fresh.write_bytes(content)
            fresh.rename(self.archive)
            _prune(KEPT)
        self._append = f"{BOOT_WORDS} {words} -- {' '.join(servers)}"
        self._servers = servers

    def packages_shown(self):
        """The packages that matter, with their versions."""
        names = [name.split("_") for name in (self.tree / "packages").read_text().split()]
        return [f"{name[0]} {name[1]}" for name in names if name[0].startswith(("linux-image", "nginx"))]

    def serves(self, protocol, port):
        return (protocol, port) in self._ports()

    def _ports(self):
        return [SERVERS[name] for name in self._servers if name in SERVERS]

    def machine(self, extra=(), **options):
        return Machine(kernel=self.kernel, archive=self.archive, extra=[*extra, "-append", self._append], **options)

    def ready(self, guest, patience=BOOT_LIMIT):
        if not guest.wait_line(rf"^linux: ready {re.escape(ADDRESS)}", 2 * patience):
            end = "\n".join("    | " + text for text in guest.lines[-10:])
            raise Problem(f"the Linux guest did not become ready ({verdict(guest.exit_status)}):\n{end}")
        return [(ADDRESS, MAC, self._ports())]

    def profiled(self):
        """The same with a web server that tells the kernel's symbols; for everything else it would carry
        what it does not use."""
        return Linux(self.folder, ["symbols", *dict.fromkeys([*self._servers, "nginx"])])

    def profile_elves(self, running):
        """The kernel's symbols from the running guest; Debian's programs come without theirs."""
        address, port = running.reach("tcp", 80)
        with running.inside(), socket.create_connection((address, port), 10) as web:
            web.sendall(b"GET /kallsyms HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            text = web.makefile("rb").read().decode(errors="replace")
        return [Symbols(text.partition("\r\n\r\n")[2], "kernel"), Unnamed("programs", "user code and its libraries")]

    def marks(self):
        return []

    def micro_parts(self):
        return [self]

    def micro_elf(self):
        return Elf(micro(), "micro")

    def lean(self, network, works, least):
        return self

    def watches(self):
        return {}
