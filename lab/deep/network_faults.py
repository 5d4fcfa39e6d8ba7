"""What is done to the network of a deep lab's nodes, for faults of `lab.iec.filters`."""

from __future__ import annotations

from blueprints.cluster import facts
from lab.deep.act import Act
from lab.iec import filters

#: Where Calico's CNI plugin is on a node, and where while another is called in its place: its
#: name tells it what it is.
_PLUGIN = "/opt/cni/bin/calico"
_REAL = "/opt/cni/iec4/calico"
_OPENING = "/run/iec4-opening"


def _losing(fault: str) -> Act:
    pods = str(facts().pod_network)
    return Act(
        (),
        f"nft -f - <<'END'\n{filters.lose(fault, pods)}END",
        f"nft -f - <<'END'\n{filters.keep(fault)}END",
    )


#: Whenever another Felix runs than before, a node is opened for some two seconds: Felix puts its
#: rules back as soon as it can. The brackets keep the pattern from being found in this script.
_OPEN_AT_RESTARTS = f"""
felix() {{ pgrep -f 'calico-node -feli[x]'; }}
known=$(felix)
while sleep 0.05; do
    now=$(felix)
    [ "$now" = "$known" ] && continue
    known=$now
    for i in $(seq 40); do
        {" ".join(filters.LET_ALL_THROUGH)}
        {" ".join(filters.LET_ALL_THROUGH).replace("-nft", "-legacy")}
        sleep 0.05
    done
done
"""

NETWORK_ACTS = {
    **{fault: _losing(fault) for fault in filters.FILTERS},
    filters.ADDRESSES_KEPT: Act(
        (),
        f"mkdir {_REAL.rpartition('/')[0]}\n"
        f"cp -a {_PLUGIN} {_REAL}\n"
        f"cat >{_PLUGIN}.other <<'END'\n{filters.never_deleting(_REAL)}END\n"
        f"chmod 755 {_PLUGIN}.other\n"
        f"mv {_PLUGIN}.other {_PLUGIN}",
        f"mv {_REAL} {_PLUGIN}\nrmdir {_REAL.rpartition('/')[0]}",
    ),
    filters.OPEN_AT_RESTARTS: Act(
        (),
        f"cat >{_OPENING} <<'END'\n{_OPEN_AT_RESTARTS}END\n"
        f"setsid sh {_OPENING} >/dev/null 2>&1 &\necho $! >{_OPENING}.pid",
        f'kill "$(cat {_OPENING}.pid)"\nrm {_OPENING} {_OPENING}.pid',
    ),
}
