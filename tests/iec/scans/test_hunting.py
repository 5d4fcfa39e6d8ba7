"""A hunt goes to the cluster's hosts, where kube-hunter would look."""

import pytest

from lab.errors import LabError
from lab.iec.hunting import targets
from lab.inventory import HostEntry, Inventory, SystemEntry
from lab.session import Lab


def lab(api: str) -> Lab:
    def host(address: str, *roles: str) -> HostEntry:
        return HostEntry(address=address, roles=roles)

    return Lab(
        Inventory(
            name="there",
            kind="real",
            profile="lab",
            hosts={
                "one": host("192.0.2.1", "tars-master"),
                "two": host("192.0.2.2", "tars-agent"),
                "three": host("192.0.2.3", "student"),
            },
            systems={"iec": SystemEntry(adopted=True, endpoints={"api": api})},
        )
    )


def test_the_hosts_of_the_cluster_are_hunted_on_and_no_others() -> None:
    assert targets(lab("https://192.0.2.1:6443")) == ["192.0.2.1", "192.0.2.2"]
    assert targets(lab("https://192.0.2.9:443")) == ["192.0.2.9", "192.0.2.1", "192.0.2.2"]


def test_an_api_server_on_a_port_that_kube_hunter_passes_by_is_no_clean_hunt() -> None:
    with pytest.raises(LabError, match="one of 443, 6443, 8080"):
        targets(lab("https://192.0.2.1:8443"))
