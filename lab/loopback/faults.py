"""What can go wrong with a host's SSH server on request. It looks at each connection.

All but one are on the role ``dc``, which no system stands on: other layers are unharmed.
"""

from __future__ import annotations

from lab.faultflags import Fault

_ROLES = ("dc",)

FAULTS = (
    Fault("os.other-host-key", _ROLES, "the host presents another host key than the pinned one"),
    Fault("os.refuse-account-key", _ROLES, "the host refuses the keys of its own accounts"),
    Fault("os.accept-stranger-key", _ROLES, "the host accepts any key for its accounts"),
    Fault("os.accept-password", _ROLES, "the host accepts any password for its accounts"),
    Fault("os.permit-root", _ROLES, "the host lets its accounts' keys log in as root"),
    Fault("os.host-down", _ROLES, "the host closes every new connection at once"),
    Fault("os.no-virtualization", ("tars-agent",), "commands find neither KVM nor libvirt there"),
)
