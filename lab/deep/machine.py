"""Becomes the first process of a namespace machine: makes its root, enters it, starts sshd.

    unshare ... python -S -m lab.deep.machine STATE NAME

Standard library only. Says a line on stdout when it runs, and waits on stdin for its address.
What it sees of this machine's root, through an overlay in memory: /usr, of /etc what anybody
may read, and of /var the list of installed packages. All else is empty there, with accounts,
keys and files of the machine's own; secrets and checkouts of this machine are not in it.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.deep import cgroups
from lab.deep.mounting import (
    BIND,
    NODEV,
    NOEXEC,
    NOSUID,
    RDONLY,
    RECURSIVE,
    REMOUNT,
    SHARED,
    detach,
    mount,
)

#: Bytes that a machine may write to its root.
_ROOT_SIZE = "1g"
#: Those that every root has, empty here.
_USUAL = ("boot", "dev", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp")
#: Top-level directories whose content is this machine's; of /var see `_hide_much`.
_SHARED = ("bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr", "var")
#: Programs of this machine that a dedicated host does not have.
_NOT_SHARED = ("as", "c++", "cc", "clang", "clang++", "g++", "gcc", "ld")
_SHARED_OF_VAR_LIB = ("apt", "dpkg", "pam")
#: Ids of the suite's accounts: such as no distribution gives to people.
_FIRST_ID = 42001
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "kmsg")
#: Parameters of the kernel that a kubelet sets. A machine has files in their place: what it writes
#: there changes nothing for this machine.
_WRITTEN_BY_KUBELET = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
#: What no machine is to do to the kernel that it shares.
_NOT_ALLOWED = "-sys_module,-sys_rawio,-sys_time,-sys_boot,-mac_admin"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ETC = Path(__file__).with_name("etc")

#: Directories that a container runtime and a cluster fill: they lie on this machine's disk, below
#: the host's state, each by the name that it has there.
_ON_DISK = {
    "var/lib/calico": "calico",
    "var/lib/cni": "cni",
    "var/lib/containerd": "containerd",
    "var/lib/etcd": "etcd",
    "var/lib/kubelet": "kubelet",
    "opt/cni": "plugins",
}
#: Where a machine finds the binaries and images of this machine's cache, as from a mirror.
MIRROR = "srv/iec4"

#: The machine's init. The shell buries what daemons leave behind.
_INIT = """
trap 'exit 0' TERM INT
/usr/sbin/sshd -D -E /var/log/sshd.log &
wait "$!"
"""


def main(argv: list[str]) -> None:
    state, name = Path(argv[0]), argv[1]
    os.umask(0o022)
    os.write(1, b"here\n")
    address = sys.stdin.readline().strip()
    if not address:
        return
    cgroups.enter(state, name)
    root = _make_root(state, name, address.partition("/")[0])
    _enter(root)
    socket.sethostname(name)
    _configure_network(address)
    closed = os.open("/dev/null", os.O_RDWR)
    os.dup2(closed, 0)
    os.dup2(closed, 1)
    init = ["/usr/bin/setpriv", "--bounding-set", _NOT_ALLOWED, "/bin/sh", "-c", _INIT, "init"]
    kept = {key: value for key, value in os.environ.items() if key.startswith("IEC4_")}
    surroundings = {**kept, "PATH": _PATH, "LANG": "C.UTF-8", "HOME": "/root"}
    os.execve(init[0], init, surroundings)  # noqa: S606 (this process becomes the init)


def _make_root(state: Path, name: str, address: str) -> Path:
    """The machine's root, mounted; nothing outside this mount namespace sees it."""
    memory = state / "hosts" / name / "root"
    memory.mkdir()
    mount("tmpfs", memory, "tmpfs", options=f"size={_ROOT_SIZE},mode=755")
    upper, work, root = (memory / part for part in ("upper", "work", "merged"))
    for directory in (upper, work, root):
        directory.mkdir()
    _Upper(upper).fill(state, name, address)
    mount("overlay", root, "overlay", options=f"lowerdir=/,upperdir={upper},workdir={work}")
    _mount_kernel(root)
    cgroups.mount_in(root, state)
    _mount_disk(root, state, name)
    home = root / "home" / "iec4"
    mount(str(state / "hosts" / name / "home"), home, flags=BIND | NOSUID | NODEV)
    os.chown(home, _FIRST_ID, _FIRST_ID)
    home.chmod(0o750)
    return root


class _Upper:
    """The upper layer of the overlay: what hides this machine's files, and the machine's own."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def fill(self, state: Path, name: str, address: str) -> None:
        self._hide_much()
        for directory, mode in (("root", 0o700), ("tmp", 0o1777), ("var/tmp", 0o1777)):
            (self._place / directory).chmod(mode)
        self._write_accounts()
        self._write_etc(state, name, address)

    def _hide_much(self) -> None:
        for name in _USUAL:
            self._hide(Path("/", name))
        self._hide_all_but("", (*_SHARED, *_USUAL))
        self._hide_all_but("var", ("lib",))
        self._hide_all_but("var/lib", _SHARED_OF_VAR_LIB)
        self._hide(Path("/etc/ssh"))
        for directory, names, files in os.walk("/etc"):
            for entry in (*names, *files):
                path = Path(directory, entry)
                wanted = stat.S_IROTH | (stat.S_IXOTH if entry in names else 0)
                if not path.is_symlink() and path.lstat().st_mode & wanted != wanted:
                    self._hide(path)
            # A hidden directory is empty; what is in it needs no hiding, and would show again.
            names[:] = [name for name in names if not self._hides(Path(directory, name))]
        for compiler in (path for name in _NOT_SHARED for path in Path("/usr/bin").glob(name)):
            self._hide(compiler)

    def _hide_all_but(self, directory: str, kept: Iterable[str]) -> None:
        for entry in os.scandir(Path("/", directory)):
            if entry.name not in kept and not entry.is_symlink():
                self._hide(Path(entry.path))

    def _hide(self, path: Path) -> None:
        """Of a directory the content, of anything else the name as well (overlayfs' own way).

        A directory at the top that is not of the usual ones goes with its name, too.
        """
        place = self._parent(path)
        if path.name in _USUAL or (path.is_dir() and path.parent != Path("/")):
            place.mkdir(exist_ok=True)
            if path.is_dir():
                _copy_owner(path, place)
            os.setxattr(place, "trusted.overlay.opaque", b"y")
        elif not place.exists():
            os.mknod(place, stat.S_IFCHR, os.makedev(0, 0))

    def _hides(self, directory: Path) -> bool:
        place = self._place / directory.relative_to("/")
        return place.exists() and "trusted.overlay.opaque" in os.listxattr(place)

    def _parent(self, path: Path) -> Path:
        """Where ``path`` is in this layer; directories above it come with their modes."""
        relative = path.relative_to("/")
        for above in reversed(relative.parents):
            if not (self._place / above).exists():
                (self._place / above).mkdir()
                if Path("/", above).is_dir():
                    _copy_owner(Path("/", above), self._place / above)
        return self._place / relative

    def _write(self, path: str, content: str, *, mode: int = 0o644, group: int = 0) -> None:
        place = self._parent(Path(path))
        if place.is_char_device():
            place.unlink()  # it hid what is written now
        place.touch(mode=0o600)
        place.write_text(content)
        os.chown(place, 0, group)
        place.chmod(mode)

    def _write_accounts(self) -> None:
        """System accounts as on this machine, without its people and without any password."""
        people = {"iec4": _FIRST_ID, "operator": _FIRST_ID + 1}
        users = [u for u in _lines("/etc/passwd") if _is_system(u) and u[0] not in people]
        groups = [g for g in _lines("/etc/group") if _is_system(g) and g[0] not in people]
        shadow_group = next(int(group[2]) for group in groups if group[0] == "shadow")
        for group in groups:
            group[3] = ""
        for user in users:
            user[1] = "x"
        for name, number in people.items():
            users.append([name, "x", str(number), str(number), "", f"/home/{name}", "/bin/bash"])
            groups.append([name, "x", str(number), ""])
            home = self._parent(Path("/home", name))
            home.mkdir(mode=0o750)
            os.chown(home, number, number)
        today = str(int(time.time()) // 86400)
        shadow = [[user[0], "*", today, "1", "90", "7", "30", "", ""] for user in users]
        closed = [[group[0], "*", "", ""] for group in groups]
        self._write("/etc/passwd", _joined(users))
        self._write("/etc/group", _joined(groups))
        self._write("/etc/shadow", _joined(shadow), mode=0o640, group=shadow_group)
        self._write("/etc/gshadow", _joined(closed), mode=0o640, group=shadow_group)
        definitions = _with_values(
            Path("/etc/login.defs").read_text(),
            {"PASS_MAX_DAYS": "90", "PASS_MIN_DAYS": "1", "UMASK": "027"},
        )
        self._write("/etc/login.defs", definitions)

    def _write_etc(self, state: Path, name: str, address: str) -> None:
        for file in sorted(_ETC.rglob("*")):
            if file.is_file():
                place = file.relative_to(_ETC)
                mode = 0o440 if place.parts[0].startswith("sudoers") else 0o644
                self._write(f"/etc/{place}", file.read_text(), mode=mode)
        configuration = (_ETC / "ssh" / "sshd_config").read_text()
        own = f"AuthorizedKeysFile /etc/ssh/keys/%u\nListenAddress {address}\n"
        self._write("/etc/ssh/sshd_config", configuration + own, mode=0o600)
        accounts = json.loads((state / "hosts.json").read_text())["accounts"]
        for account, public_key in accounts.items():
            self._write(f"/etc/ssh/keys/{account}", f"{public_key}\n")
        key = (state / "keys" / f"host-{name}").read_text()
        self._write("/etc/ssh/ssh_host_ed25519_key", key, mode=0o600)
        self._write("/etc/hostname", f"{name}\n")
        self._write("/etc/hosts", f"127.0.0.1 localhost\n{address} {name}\n")
        self._write("/etc/resolv.conf", "")
        self._write("/etc/machine-id", f"{os.urandom(16).hex()}\n")


def _lines(path: str) -> list[list[str]]:
    return [line.split(":") for line in Path(path).read_text().splitlines() if line]


def _joined(entries: Iterable[list[str]]) -> str:
    return "".join(":".join(entry) + "\n" for entry in entries)


def _is_system(entry: list[str]) -> bool:
    return int(entry[2]) < 1000 or entry[2] == "65534"


def _with_values(text: str, values: Mapping[str, str]) -> str:
    """A file of ``NAME value`` lines with those values in place of its own."""
    kept = [line for line in text.splitlines() if line.split()[:1] not in [[n] for n in values]]
    return "\n".join([*kept, *(f"{name} {value}" for name, value in values.items())]) + "\n"


def _copy_owner(source: Path, target: Path) -> None:
    found = source.stat()
    os.chown(target, found.st_uid, found.st_gid)
    target.chmod(stat.S_IMODE(found.st_mode))


def _mount_kernel(root: Path) -> None:
    """/proc, /sys, /dev and /run; of the kernel's parameters a machine may set its network's."""
    quiet = NOSUID | NODEV | NOEXEC
    mount("proc", root / "proc", "proc", flags=quiet)
    parameters = root / "proc" / "sys"
    mount(str(parameters), parameters, flags=BIND)
    mount(str(parameters / "net"), parameters / "net", flags=BIND)
    mount("none", parameters, flags=BIND | REMOUNT | RDONLY | quiet)
    mount("sysfs", root / "sys", "sysfs", flags=quiet | RDONLY)
    mount("tmpfs", root / "run", "tmpfs", flags=NOSUID | NODEV, options="mode=755,size=64m")
    (root / "run" / "sshd").mkdir(mode=0o755)
    (root / "run" / "sysctl").mkdir(mode=0o755)
    for name in _WRITTEN_BY_KUBELET:
        own = root / "run" / "sysctl" / name.replace("/", ".")
        own.write_text((parameters / name).read_text())
        mount(str(own), parameters / name, flags=BIND)
    (root / "run" / "lock").mkdir(mode=0o1777)
    dev = root / "dev"
    mount("tmpfs", dev, "tmpfs", flags=NOSUID | NOEXEC, options="mode=755,size=1m")
    for device in _DEVICES:
        (dev / device).touch()
        mount(f"/dev/{device}", dev / device, flags=BIND)
    (dev / "pts").mkdir()
    mount("devpts", dev / "pts", "devpts", flags=NOSUID, options="newinstance,ptmxmode=666")
    (dev / "shm").mkdir(mode=0o1777)
    mount("tmpfs", dev / "shm", "tmpfs", flags=NOSUID | NODEV, options="mode=1777,size=64m")
    for link, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd")):
        (dev / link).symlink_to(target)
    for number, link in enumerate(("stdin", "stdout", "stderr")):
        (dev / link).symlink_to(f"/proc/self/fd/{number}")


def _mount_disk(root: Path, state: Path, name: str) -> None:
    """What is large: the machine's own directories on disk, and the mirror, which it may read."""
    for place, directory in _ON_DISK.items():
        source = state / "hosts" / name / "disk" / directory
        source.mkdir(parents=True, exist_ok=True)
        (root / place).mkdir(parents=True, exist_ok=True)
        mount(str(source), root / place, flags=BIND)
    mirror = root / MIRROR
    mirror.mkdir()
    if (source := state / "mirror").exists():
        mount(str(source), mirror, flags=BIND)
        mount("none", mirror, flags=BIND | REMOUNT | RDONLY | NOSUID | NODEV)
    (root / "lib/modules").mkdir(exist_ok=True)


def _enter(root: Path) -> None:
    """Make ``root`` the root; this machine's is gone from here on."""
    (root / ".old").mkdir()
    os.chdir(root)
    subprocess.run(["/sbin/pivot_root", ".", ".old"], check=True)
    os.chdir("/")
    detach(Path("/.old"))
    Path("/.old").rmdir()
    # Containers may hand mounts on to each other, as on a machine that systemd has started.
    mount("none", Path("/"), flags=SHARED | RECURSIVE)


def _configure_network(address: str) -> None:
    # Services of a cluster have addresses that no route leads to; who speaks to one needs one
    # nevertheless, before its address is translated. Nobody answers behind this one.
    route = "route add default dev eth0"
    lines = f"link set lo up\naddr add {address} dev eth0\nlink set eth0 up\n{route}\n"
    subprocess.run(["/sbin/ip", "-batch", "-"], input=lines, text=True, check=True)
    for line in Path("/etc/sysctl.d/60-iec4.conf").read_text().splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            parameter = Path("/proc/sys", key.strip().replace(".", "/"))
            if parameter.exists():  # a kernel without IPv6 has no parameters of it
                parameter.write_text(value.strip())


if __name__ == "__main__":
    main(sys.argv[1:])
