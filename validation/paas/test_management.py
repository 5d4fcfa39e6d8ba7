"""The management API, call by call: what TarsWeb is told is what it keeps and does.

The calls that start, stop and publish are judged in test_platform.py; the names of the calls
stand in the blueprint (``apis``).
"""

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from blueprints.evidence import Evidence
from lab.session import Lab
from lab.tars.probe import tars_web
from lab.tars.recipe import AGENT_ROLE, node_name
from lab.tars.trial import FOLLOWS_S, Trial
from lab.tars.web import Adapter, TarsWeb
from lab.wait import wait_for

PROFILE = "<tars>\n<application>\n<server>\niec4=%s\n</server>\n</application>\n</tars>\n"


@pytest.fixture
def web(lab: Lab) -> Iterator[TarsWeb]:
    with tars_web(lab) as opened:
        yield opened


@pytest.fixture
def trial(lab: Lab) -> Iterator[Trial]:
    """An application of its own, with a server that is deployed and never ran."""
    with Trial(lab) as opened:
        opened.deploy()
        yield opened


@pytest.mark.criterion("PAAS-40")
def test_an_application_is_deleted(web: TarsWeb, evidence: Evidence) -> None:
    created = web.add_application(f"Gone{secrets.token_hex(4)}")
    with evidence.judge("a deleted application is gone"):
        web.delete_application(created.f_id)
        names = [application.f_name for application in web.applications()]
        assert created.f_name not in names, "it is still listed"


@pytest.mark.criterion("PAAS-41")
def test_adapters_are_added_and_changed(trial: Trial, evidence: Evidence) -> None:
    web, server = trial.web, trial.server
    port = web.auto_port(server.node_name)
    with evidence.judge("an added adapter is kept, and so is its change"):
        added = web.add_adapter(server, Adapter("MoreObj", server.node_name, port))
        listed = {adapter.servant: adapter for adapter in web.adapters(server.id)}
        assert f"{server.name}.MoreObj" in listed, f"listed are {sorted(listed)}"
        web.update_adapter(replace(listed[f"{server.name}.MoreObj"], queuecap=123))
        assert web.adapter(added.id).queuecap == 123, "the change is not kept"
        assert f"{server.name}.MoreObj" in web.objects(server.application, server.server_name)


@pytest.mark.criterion("PAAS-62")
def test_adapters_are_deleted(trial: Trial, evidence: Evidence) -> None:
    web, server = trial.web, trial.server
    port = web.auto_port(server.node_name)
    added = web.add_adapter(server, Adapter("MoreObj", server.node_name, port))
    with evidence.judge("a deleted adapter is gone"):
        web.delete_adapter(added.id)
        left = [adapter.servant for adapter in web.adapters(server.id)]
        assert left == [trial.object_name], f"adapters are {left}"


@pytest.fixture
def template(web: TarsWeb) -> Iterator[str]:
    """A template's name, which is free; deleted afterwards."""
    name = f"iec4.{secrets.token_hex(4)}"
    yield name
    for found in web.templates.query(name):
        web.templates.delete(found.id)


@pytest.mark.criterion("PAAS-42")
def test_templates_are_kept(web: TarsWeb, template: str, evidence: Evidence) -> None:
    with evidence.judge("an added template is kept"):
        web.templates.add(template, "tars.default", PROFILE % "one")
        found = web.templates.query(template)
        assert [(one.template_name, one.profile) for one in found] == [(template, PROFILE % "one")]
        assert template in web.templates.names()


@pytest.mark.criterion("PAAS-63")
def test_templates_are_changed(web: TarsWeb, template: str, evidence: Evidence) -> None:
    added = web.templates.add(template, "tars.default", PROFILE % "one")
    with evidence.judge("a changed template is what it was changed to"):
        web.templates.update(replace(added, profile=PROFILE % "two"))
        [found] = web.templates.query(template)
        assert found.profile == PROFILE % "two", "the profile is what it was before"
        assert "iec4=two" in web.templates.merged(template)


@pytest.mark.criterion("PAAS-43")
def test_tasks_tell_of_every_item(lab: Lab, evidence: Evidence) -> None:
    with Trial(lab) as one, Trial(lab) as other:
        one.run()
        other.run()
        ids = [one.server.id, other.server.id]
        with evidence.judge("serial and parallel tasks end with a word on every server"):
            for command, serial in (("stop", True), ("start", False)):
                task_no = one.web.add_task(command, ids, serial=serial)
                task = one.web.finished(task_no)
                told = sorted(item.application for item in task.items)
                assert told == sorted([one.application, other.application]), f"it tells of {told}"
                assert task.serial is serial


@pytest.mark.criterion("PAAS-44")
def test_packages_are_kept(trial: Trial, evidence: Evidence) -> None:
    web, program = trial.web, trial.program
    with evidence.judge("every uploaded package is listed, the newest first"):
        for version in ("1.0.0", "2.0.0"):
            web.upload_package(
                program.build(version), trial.application, program.server, comment=version
            )
        listed = [package.comment for package in web.packages(trial.application, program.server)]
        assert listed == ["2.0.0", "1.0.0"], f"packages are {listed}"


@pytest.mark.criterion("PAAS-64")
def test_packages_are_deleted(trial: Trial, evidence: Evidence) -> None:
    web, program = trial.web, trial.program
    package = web.upload_package(program.build("1.0.0"), trial.application, program.server)
    with evidence.judge("a deleted package is gone"):
        web.delete_package(package.id)
        left = [one.id for one in web.packages(trial.application, program.server)]
        assert package.id not in left, "it is still listed"


@pytest.mark.criterion("PAAS-74")
def test_a_deployed_server_is_known(trial: Trial, evidence: Evidence) -> None:
    web, server = trial.web, trial.server
    with evidence.judge("it is told which server is deployed on a node, and which is not"):
        there = web.exists(server.application, server.server_name, [server.node_name])
        assert there, f"{server.name} is not there, it is told"
        other = web.exists(server.application, "NoSuchServer", [server.node_name])
        assert not other, "a server that nobody has deployed is there, it is told"


@pytest.mark.criterion("PAAS-75")
def test_a_package_becomes_the_default(trial: Trial, evidence: Evidence) -> None:
    web, program = trial.web, trial.program
    older, newer = (
        web.upload_package(program.build(version), trial.application, program.server)
        for version in ("1.0.0", "2.0.0")
    )
    with evidence.judge("the package that was made the default one is it"):
        for package in (older, newer):
            web.set_default_package(package)
            default = web.default_package(trial.application, program.server)
            assert default == package.id, f"the default is package {default}"


@pytest.mark.criterion("PAAS-65")
def test_an_earlier_package_can_be_published_again(lab: Lab, evidence: Evidence) -> None:
    with Trial(lab) as trial:
        trial.run("3.0.0")
        program, web = trial.program, trial.web
        for version in ("1.0.0", "2.0.0"):
            web.upload_package(
                program.build(version), trial.application, program.server, comment=version
            )
        packages = web.packages(trial.application, program.server)
        [earlier] = [package for package in packages if package.comment == "1.0.0"]
        with evidence.judge("a package that is not the newest is what runs when it is published"):
            web.publish(trial.server.id, earlier.id)
            wait_for(
                "version 1.0.0",
                lambda: trial.identity().version == "1.0.0",
                timeout=FOLLOWS_S / 2,
            )


@pytest.mark.criterion("PAAS-46")
def test_the_state_told_is_the_states(lab: Lab, evidence: Evidence) -> None:
    with Trial(lab) as trial:
        process = trial.run()
        assert trial.web.server(trial.server.id).process_id == process.pid
        trial.web.stop(trial.server.id)
        trial.silence()
        with evidence.judge("the state of a server that stopped is inactive"):
            wait_for(
                "the state inactive",
                lambda: trial.web.state(trial.server.id) == "inactive",
                timeout=FOLLOWS_S / 2,
            )


@pytest.mark.criterion("PAAS-49")
def test_scaling_out_is_previewed(lab: Lab, trial: Trial, evidence: Evidence) -> None:
    nodes = [node_name(lab, host) for host in lab.inventory.with_role(AGENT_ROLE)]
    further = [node for node in nodes if node != trial.server.node_name] or nodes
    with evidence.judge("a preview shows what scaling out would deploy"):
        shown = trial.web.scaling.preview(trial.server, further)
        objects = {(row.node_name, row.obj_name) for row in shown}
        assert objects == {(node, "EchoObj") for node in further}, f"shown is {sorted(objects)}"


@pytest.mark.criterion("PAAS-66")
def test_scaling_out_deploys(lab: Lab, trial: Trial, evidence: Evidence) -> None:
    hosts = lab.inventory.with_role(AGENT_ROLE)
    if len(hosts) < 2:
        pytest.skip("the lab has one host with the role tars-agent; two are needed")
    second = node_name(lab, hosts[1])
    with evidence.judge("a service that was scaled out is deployed on the further node"):
        grown = trial.web.scaling.scale_out(trial.server, [second])
        try:
            assert [server.node_name for server in grown] == [second], "nothing is deployed there"
        finally:
            for server in grown:
                trial.web.undeploy(server.id)


@pytest.mark.criterion("PAAS-50")
def test_a_command_reaches_the_server(lab: Lab, evidence: Evidence) -> None:
    with Trial(lab) as trial:
        trial.run("1.0.0")
        with evidence.judge("a command reaches the server, and its answer comes back"):
            [told] = trial.web.send_command([trial.server.id], "tars.viewversion")
            assert told.reached, f"the server was not reached: {told.text}"
            assert "1.0.0" in told.text, f"the answer is {told.text!r}"


@pytest.mark.criterion("PAAS-51")
def test_the_tree_shows_what_is_deployed(trial: Trial, evidence: Evidence) -> None:
    with evidence.judge("the tree shows each application with its servers"):
        tree = trial.web.tree()
        assert trial.program.server in tree.get(trial.application, []), "it is not in the tree"


@pytest.mark.criterion("PAAS-67")
def test_a_server_is_found_by_a_word(trial: Trial, evidence: Evidence) -> None:
    with evidence.judge("a server is found by a word of its name"):
        found = [server.id for server in trial.web.search(trial.application)]
        assert trial.server.id in found, "no such server is found"


@pytest.mark.criterion("PAAS-68")
def test_a_free_port_is_offered(trial: Trial, evidence: Evidence) -> None:
    _, taken = trial.address
    with evidence.judge("the port that is offered is free"):
        for _ in range(5):
            port = trial.web.auto_port(trial.server.node_name)
            assert port != taken, f"port {port} is another server's"


@pytest.mark.criterion("PAAS-69")
def test_a_servers_nodes_and_inactivity_are_listed(trial: Trial, evidence: Evidence) -> None:
    server = trial.server
    with evidence.judge("a server that does not run is listed as inactive, on its node"):
        nodes = trial.web.server_nodes(server.application, server.server_name)
        assert nodes == [server.node_name], f"its nodes are {nodes}"
        listed = [one.id for one in trial.web.inactive_servers(server.application)]
        assert server.id in listed, "it is not listed as inactive"
