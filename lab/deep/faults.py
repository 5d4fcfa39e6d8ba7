"""What can go wrong with a deep lab's machine on request, and how that is done to it.

Each act is a shell script that the machine's root runs. The files that it touches are kept
before it and put back when the fault is cleared; ``undo`` takes back what is no file. Where
the kernel's own facts cannot be changed for one machine alone, a tool of the machine lies.
"""

from __future__ import annotations

from pathlib import Path

from lab.deep.act import Act
from lab.deep.cluster_faults import CLUSTER_ACTS
from lab.deep.inside import run_inside
from lab.deep.kernel_faults import KERNEL_ACTS, KERNEL_FAULTS
from lab.faultflags import Fault

_ROLES = ("dc",)


#: Has sshd read its configuration again, and waits until it listens with that.
_RELOAD = """
listened() { grep -c 'Server listening' /var/log/sshd.log; }
before=$(listened)
kill -HUP "$(cat /run/sshd.pid)"
while [ "$(listened)" -le "$before" ]; do sleep 0.02; done
"""
_SSHD_CONFIG = "/etc/ssh/sshd_config"


def _sshd(*lines: str, files: tuple[str, ...] = (), also: str = "") -> Act:
    """Lines before all others of sshd's configuration: the first one counts."""
    inserts = "\n".join(f"sed -i '1i {line}' {_SSHD_CONFIG}" for line in lines)
    return Act((_SSHD_CONFIG, *files), f"{inserts}\n{also}\n{_RELOAD}", _RELOAD)


def _lies(tool: str, script: str) -> Act:
    """A tool that root finds before the real one."""
    place = f"/usr/local/sbin/{tool}"
    text = f"#!/bin/sh\n{script}"
    return Act((place,), f"cat >{place} <<'END'\n{text}\nEND\nchmod 755 {place}")


#: Faults of hosts that the embedded lab can have as well: their words stand in lab/loopback.
_SHARED = {
    "os.other-host-key": Act(
        ("/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key.pub"),
        "rm /etc/ssh/ssh_host_ed25519_key\n"
        f"ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key\n{_RELOAD}",
        _RELOAD,
    ),
    "os.refuse-account-key": Act(
        ("/etc/ssh/keys/iec4", "/etc/ssh/keys/operator"),
        ": >/etc/ssh/keys/iec4; : >/etc/ssh/keys/operator",
    ),
    "os.accept-stranger-key": _sshd(
        "AuthorizedKeysCommand /bin/echo %t %k", "AuthorizedKeysCommandUser nobody"
    ),
    "os.accept-password": _sshd(
        "AuthenticationMethods any",
        "PasswordAuthentication yes",
        files=("/etc/pam.d/sshd",),
        also="for kind in auth account session; do echo $kind required pam_permit.so; done "
        ">/etc/pam.d/sshd",
    ),
    "os.permit-root": _sshd(
        "PermitRootLogin yes",
        "AllowUsers root",
        files=("/etc/ssh/keys/root",),
        also="cat /etc/ssh/keys/iec4 /etc/ssh/keys/operator >/run/keys\n"
        "mv /run/keys /etc/ssh/keys/root",
    ),
    "os.host-down": Act(("/etc/hosts.deny",), "echo 'sshd: ALL' >>/etc/hosts.deny"),
}

#: name → what it does, in words and in deed
_OWN = {
    "os.unsupported-release": (
        "the host runs a release that is not supported",
        Act(
            ("/usr/lib/os-release",),
            "sed -i 's/^VERSION_ID=.*/VERSION_ID=\"7\"/' /usr/lib/os-release",
        ),
    ),
    "os.other-arch": (
        "the host is of another architecture than the inventory says",
        _lies("uname", 'case "$1" in -m) echo sparc64 ;; *) exec /usr/bin/uname "$@" ;; esac'),
    ),
    "os.old-kernel": (
        "the host's kernel is older than what is supported",
        _lies("uname", 'case "$1" in -r) echo 3.10.0 ;; *) exec /usr/bin/uname "$@" ;; esac'),
    ),
    "os.clock-off": (
        "the host's clock is a minute and a half ahead",
        _lies("date", "exec /usr/bin/date --date='+90 seconds' \"$@\""),
    ),
    "os.one-cpu": (
        "what runs on the host has one CPU",
        Act(
            (),
            'taskset -cp 0 "$(cat /run/sshd.pid)"',
            'taskset -p ffffffffffffffff "$(cat /run/sshd.pid)"',
        ),
    ),
    "os.little-memory": (
        "the host has 256 MiB of memory",
        Act(
            (),
            "sed 's/^MemTotal:.*/MemTotal: 262144 kB/' /proc/meminfo >/run/meminfo\n"
            "mount --bind /run/meminfo /proc/meminfo",
            "umount /proc/meminfo",
        ),
    ),
    "os.little-disk": (
        "the disk that holds the host's data has 16 MiB",
        Act((), "mount -t tmpfs -o size=16m tmpfs /var/lib", "umount /var/lib"),
    ),
    "os.nic-lost": ("no network interface of the host is there", _lies("ip", "echo '[]'")),
    "os.redirects-accepted": (
        "the host lets others change its routes",
        Act(
            (),
            "sysctl -qw net.ipv4.conf.all.accept_redirects=1",
            "sysctl -qw net.ipv4.conf.all.accept_redirects=0",
        ),
    ),
    "os.swap-configured": (
        "the host swaps from its next start on",
        Act(("/etc/fstab",), "echo '/swapfile none swap sw 0 0' >>/etc/fstab"),
    ),
    "os.x11-forwarded": ("the host's sshd forwards X11", _sshd("X11Forwarding yes")),
    "os.second-root": (
        "another account than root has its id",
        Act(("/etc/passwd",), "echo 'toor:x:0:0::/root:/bin/sh' >>/etc/passwd"),
    ),
    "os.stranger-account": (
        "somebody whom the inventory does not know has an account",
        Act(("/etc/passwd",), "echo 'intruder:x:1001:1001::/tmp:/bin/bash' >>/etc/passwd"),
    ),
    "os.empty-password": (
        "an account of the host has an empty password",
        Act(("/etc/shadow",), "sed -i 's/^operator:[^:]*:/operator::/' /etc/shadow"),
    ),
    "os.passwords-last": (
        "an account's password never has to be changed",
        Act(
            ("/etc/shadow",),
            "sed -i -E 's/^(operator:[^:]*:[^:]*:[^:]*):[^:]*:/\\1:99999:/' /etc/shadow",
        ),
    ),
    "os.shadow-readable": (
        "anybody on the host may read its password file",
        Act(("/etc/shadow",), "chmod 644 /etc/shadow"),
    ),
    "os.port-open": (
        "the host listens on a port that the inventory does not have",
        Act(
            (),
            "/usr/sbin/sshd -p 2222 -o PidFile=/run/second-sshd.pid",
            'kill "$(cat /run/second-sshd.pid)"',
        ),
    ),
    "os.compiler-left": (
        "a compiler is installed on the host",
        Act(("/usr/bin/gcc",), "printf '#!/bin/sh\\n' >/usr/bin/gcc; chmod 755 /usr/bin/gcc"),
    ),
}

_SAME_MACHINE = "os.same-machine"

#: Those that only a machine with a root of its own can have.
FAULTS = (
    *(Fault(name, _ROLES, words) for name, (words, _) in _OWN.items()),
    Fault(_SAME_MACHINE, ("tars-master", *_ROLES), "two nodes are one machine, by its id"),
    *KERNEL_FAULTS,
)

#: name → what is done to a machine.
ACTS = {
    **_SHARED,
    **{name: act for name, (_, act) in _OWN.items()},
    _SAME_MACHINE: Act(("/etc/machine-id",), "printf '%032d\\n' 1 >/etc/machine-id"),
    **KERNEL_ACTS,
    **CLUSTER_ACTS,
}

# $1 is the fault's name, the others are the files that it touches.
_KEEP = """
kept=/run/iec4-faults/$1
shift
mkdir -p "$kept"
for file; do
    if [ -e "$file" ]; then cp -a --parents "$file" "$kept"; fi
done
"""
_PUT_BACK = """
kept=/run/iec4-faults/$1
shift
for file; do
    rm -f "$file"
    if [ -e "$kept$file" ]; then cp -a "$kept$file" "$file"; fi
done
rm -rf "$kept"
"""


def inject(state: Path, host: str, name: str) -> None:
    """Do to a machine what the fault says, where that is more than a flag; raises `LabError`."""
    if act := ACTS.get(name):
        run_inside(state, host, _KEEP + act.script, [name, *act.files])


def clear(state: Path, host: str, name: str) -> None:
    """Undo it; raises `LabError`."""
    if act := ACTS.get(name):
        run_inside(state, host, _PUT_BACK + act.undo, [name, *act.files])
