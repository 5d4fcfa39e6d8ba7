"""Monitoring, logs and the framework's optional servers: they help, and nothing needs them."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pytest

from blueprints.evidence import Evidence
from lab.host.base import Host
from lab.session import Lab
from lab.tars import cost, monitor
from lab.tars.client import Proxy, TarsClient
from lab.tars.framework import (
    NOTIFY_OBJECT,
    PROPERTY_OBJECT,
    STAT_OBJECT,
    Notice,
    NotifyF,
    PropertyBody,
    PropertyF,
    PropertyHead,
    PropertyValue,
    StatF,
    StatHead,
    counted,
)
from lab.tars.probe import REGISTRY, SYSTEM, tars_web
from lab.tars.queryf import resolve
from lab.tars.recipe import AGENT_ROLE, node_name
from lab.tars.trial import FOLLOWS_S, Trial
from lab.tars.web import Server, TarsWeb
from lab.wait import wait_for

#: The real platform shows a bucket of five minutes when it is over.
SHOWN_S = {"embedded": 20.0, "lab": 400.0}
#: Over which the platform's processes are measured (s).
COST_WINDOW_S = 3.0

P = TypeVar("P", bound=Proxy)


@pytest.fixture
def web(lab: Lab) -> Iterator[TarsWeb]:
    with tars_web(lab) as opened:
        yield opened


@contextmanager
def _optional(lab: Lab, kind: type[P], name: str) -> Iterator[P]:
    """One of the framework's optional servants, found by its name."""
    endpoint = resolve(lab.address(SYSTEM, REGISTRY), name)[0]
    with TarsClient((endpoint.host, endpoint.port)) as client:
        yield kind(client, name)


@pytest.mark.criterion("PAAS-52")
def test_statistics_arrive(lab: Lab, web: TarsWeb, evidence: Evidence) -> None:
    called = f"Iec4.Trial{secrets.token_hex(4)}"
    head = StatHead("Iec4.Caller", called, "echo", "", "", 0, 0)
    with evidence.judge("reported calls are in the platform's statistics"):
        with _optional(lab, StatF, STAT_OBJECT) as reports:
            reports.report({head: counted([1, 2, 3])})

        def shown() -> bool:
            return sum(found.calls for found in monitor.statistics(web, called)) == 3

        wait_for(f"the calls of {called}", shown, timeout=SHOWN_S[evidence.profile])


@pytest.mark.criterion("PAAS-53")
def test_properties_arrive(lab: Lab, web: TarsWeb, evidence: Evidence) -> None:
    module = f"Iec4.Trial{secrets.token_hex(4)}"
    value = PropertyBody([PropertyValue("Max", "42")])
    with evidence.judge("a reported property is in the platform's data"):
        with _optional(lab, PropertyF, PROPERTY_OBJECT) as reports:
            reports.report({PropertyHead(module, "", "load"): value})

        def shown() -> bool:
            return [found.value for found in monitor.properties(web, module)] == [42.0]

        wait_for(f"the property of {module}", shown, timeout=SHOWN_S[evidence.profile])


@pytest.mark.criterion("PAAS-73")
def test_notices_arrive(lab: Lab, evidence: Evidence) -> None:
    server = f"Iec4.Trial{secrets.token_hex(4)}"
    application, _, name = server.partition(".")
    notice = Notice(1, application, "", "", name, "iec4 was here")
    with (
        evidence.judge("a reported notice is kept and shown"),
        _optional(lab, NotifyF, NOTIFY_OBJECT) as notices,
    ):
        notices.report(notice)
        wait_for(
            f"the notice of {server}",
            lambda: [item.message for item in notices.notices(server).items] == [notice.message],
            timeout=FOLLOWS_S,
        )


@pytest.mark.criterion("PAAS-54")
def test_logs_are_listed_and_read(lab: Lab, evidence: Evidence) -> None:
    with Trial(lab) as trial:
        trial.run()
        with evidence.judge("a server's log is listed and read from afar"):
            files = monitor.log_files(trial.web, trial.server)
            assert files, "no log file is listed"
            told = [monitor.log_lines(trial.web, trial.server, file) for file in files]
            assert any(any(lines) for lines in told), f"nothing stands in {', '.join(files)}"


@pytest.mark.criterion("PAAS-56")
def test_the_platform_costs_little(lab: Lab, evidence: Evidence) -> None:
    master, agent = lab.with_role("tars-master")[0], lab.with_role(AGENT_ROLE)[0]
    servers = len(_servers_on(lab, agent.name))
    with evidence.judge("registry and node stay within their budget of processor and memory"):
        costs = _costs(master, agent)
        at_master, at_agent = costs[0][cost.REGISTRY], costs[1][cost.NODE]
        evidence.measure("servers_on_node", servers, "count")
        evidence.check(
            evidence.measure("registry_cpu", 100 * at_master.cpu_share, "%"),
            evidence.measure("registry_memory", at_master.rss, "bytes"),
            evidence.measure("node_cpu", 100 * at_agent.cpu_share, "%"),
            evidence.measure("node_memory", at_agent.rss, "bytes"),
        )


def _costs(*hosts: Host) -> list[dict[str, cost.Cost]]:
    """What the platform's processes cost each host, over one window."""
    with ThreadPoolExecutor(len(hosts)) as pool:
        return [*pool.map(lambda host: cost.measure(host, COST_WINDOW_S), hosts)]


def _servers_on(lab: Lab, host: str) -> list[Server]:
    with tars_web(lab) as web:
        node = node_name(lab, host)
        return [
            server
            for application in web.applications()
            for server in web.servers(application.f_name)
            if server.node_name == node
        ]


@pytest.mark.criterion("PAAS-57")
def test_statistics_are_added_up_off_the_edge(lab: Lab, web: TarsWeb, evidence: Evidence) -> None:
    edge = {node_name(lab, host) for host in lab.inventory.with_role(AGENT_ROLE)}
    data_centre = {node_name(lab, host) for host in lab.inventory.with_role("dc")}
    with evidence.judge("work that is not urgent is done in the data centre, not on the edge"):
        for name in ("tarsstat", "tarsproperty"):
            placed = monitor.framework_servers(web)[name].node_name
            assert placed not in edge, f"{name} runs on {placed}, an edge"
            assert placed in data_centre, f"{name} runs on {placed}, not in the data centre"
        hosts = (*lab.with_role(AGENT_ROLE), *lab.with_role("dc"))
        for host, used in zip(hosts, _costs(*hosts), strict=True):
            share = sum(one.cpu_share for name, one in used.items() if name != cost.NODE)
            evidence.measure(f"optional_cpu_{host.name}", 100 * share, "%")
