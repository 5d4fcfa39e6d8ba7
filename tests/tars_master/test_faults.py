"""Each fault lies at one call, and is over when its flag is gone."""

from __future__ import annotations

import os
import signal

import pytest

from lab.errors import WaitTimeout
from lab.tars.client import TarsClient
from lab.tars.deployment import echo_on, upload
from lab.tars.errors import NoAnswer
from lab.tars.package import build_package
from lab.tars.queryf import QueryF
from lab.tars.web import WebRefused
from lab.wait import wait_for
from tests.tars_master.platforms import Platform, is_there


def test_registry_deaf(platform: Platform, application: str) -> None:
    with platform.fault("tars.registry-deaf"):
        with TarsClient(platform.registry, timeout=0.3) as client, pytest.raises(NoAnswer):
            QueryF(client).ping()
        platform.web.nodes()  # TarsWeb and the nodes' line are as before
        server = platform.web.deploy(
            echo_on(platform.web, platform.node_name(), application=application)
        )
        assert platform.web.stop(server.id).items[0].status == 3
    with TarsClient(platform.registry) as client:
        QueryF(client).ping()


def test_lookup_empty(platform: Platform, application: str) -> None:
    platform.deploy(application)
    with platform.fault("tars.lookup-empty"):
        assert platform.look_up(application) == (0, 0)
    assert platform.look_up(application) == (1, 0)


def test_lookup_invents(platform: Platform, application: str) -> None:
    with platform.fault("tars.lookup-invents"):
        assert platform.look_up(application) == (1, 0)
    assert platform.look_up(application) == (0, 0)


def test_application_lost(platform: Platform, application: str) -> None:
    with platform.fault("tars.application-lost"):
        assert platform.web.add_application(application).f_name == application
        assert application not in [one.f_name for one in platform.web.applications()]


def test_deploy_lost(platform: Platform, application: str) -> None:
    spec = echo_on(platform.web, platform.node_name(), application=application)
    with platform.fault("tars.deploy-lost"), pytest.raises(WebRefused, match="not listed"):
        platform.web.deploy(spec)
    assert platform.web.deploy(spec).application == application


def test_publish_ignored(platform: Platform, application: str) -> None:
    with platform.fault("tars.publish-ignored"):
        server = platform.deploy(application, version="1.0.0")  # a first one is put in place
        package = upload(platform.web, application, build_package("2.0.0"))
        platform.web.publish(server.id, package.id)
        assert platform.web.server(server.id).patch_version == str(package.id)
        wait_for("the server", lambda: platform.answers(application), timeout=5)
        assert platform.ask(application).version == "1.0.0"


def test_start_ignored(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    platform.web.stop(server.id)
    with platform.fault("tars.start-ignored"):
        platform.web.start(server.id)
        assert platform.web.state(server.id) == "inactive"


def test_stop_ignored(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    with platform.fault("tars.stop-ignored"):
        platform.web.stop(server.id)
        assert platform.ask(application).pid == server.process_id


def test_restart_ignored(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    with platform.fault("tars.restart-ignored"):
        platform.web.restart(server.id)
        assert platform.ask(application).pid == server.process_id


def test_undeploy_ignored(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    with platform.fault("tars.undeploy-ignored"):
        platform.web.undeploy(server.id)
        assert platform.web.servers(application) == [server]
        assert platform.answers(application)


def test_no_respawn(platform: Platform, application: str) -> None:
    server = platform.deploy(application)
    with platform.fault("tars.no-respawn", node=1):
        os.kill(server.process_id, signal.SIGKILL)
        wait_for("its end", lambda: not is_there(server.process_id), timeout=2)
        with pytest.raises(WaitTimeout):
            wait_for("a restart", lambda: platform.answers(application), timeout=1.5)
    wait_for("a restart", lambda: platform.answers(application), timeout=5)
