"""Drift in meaning, over what a real Jenkins made of real jobs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.jenkins.config_xml import Element, parse
from lab.jenkins.drift import Difference, compare
from tests.jobs.recorded_jobs import DRIFT, LOSES_A_VALUE, NAMES, states, text

PARAMETERS = "/properties/hudson.model.ParametersDefinitionProperty/parameterDefinitions"
SEEN = [(name, state) for name in NAMES for state in states(name)]


def differing(rendered: str, saved: str) -> list[Difference]:
    return [found for found in compare(rendered, saved).differences if found.matters]


def changed(job: str, old: str, new: str, state: str = "saved") -> list[Difference]:
    """What is found when a person replaced ``old`` in the job as Jenkins has it."""
    saved = text(job, state)
    assert saved.count(old) == 1, f"{old!r} stands {saved.count(old)} times in {job}"
    return differing(text(job, "rendered"), saved.replace(old, new))


@pytest.mark.parametrize(("job", "state"), SEEN)
def test_only_a_lost_value_matters(job: str, state: str) -> None:
    found = differing(text(job, "rendered"), text(job, state))
    if (job, state) == (LOSES_A_VALUE, "saved"):
        assert [(d.kind, d.path.split("/")[-1], d.rendered, d.saved) for d in found] == [
            ("dropped_by_jenkins", "keepLongStdio", "true", None)
        ]
    else:
        assert found == []


@pytest.mark.parametrize("job", NAMES)
def test_posted_jobs_differ_in_nothing(job: str) -> None:
    assert compare(text(job, "rendered"), text(job, "posted")).differences == ()


@pytest.mark.parametrize("job", NAMES)
def test_what_the_recording_found_is_told(job: str) -> None:
    """meta.json was written by another comparison, when the job was recorded."""
    meta = json.loads((DRIFT / job / "meta.json").read_text())
    drift = compare(text(job, "rendered"), text(job, "saved"))
    renamed = {d.saved for d in drift.of("rewritten_by_jenkins") if d.saved and "." in d.saved}
    renamed |= {d.rendered for d in drift.of("rewritten_by_jenkins") if d.rendered}

    def told(kind: str, path: str) -> bool:
        inside_of_renamed = any(part in renamed for part in path.split("/"))
        return inside_of_renamed or any(
            path == d.path or path.startswith(f"{d.path}/") for d in drift.of(kind)
        )

    assert [p for p in meta["added"] if not told("added_by_jenkins", p)] == []
    assert [p for p in meta["removed"] if not told("dropped_by_jenkins", p)] == []
    leaves = [p for p, (_, new) in meta["changed"].items() if new != "<children>"]
    assert [p for p in leaves if not told("rewritten_by_jenkins", p)] == []
    attributes = [f"{path}/@" for path in meta["attributes_changed"]]
    noted = [d.path for d in drift.of("rewritten_by_jenkins")]
    assert [a for a in attributes if not any(n.startswith(a) for n in noted)] == []
    assert drift.of("changed") == ()


@pytest.mark.parametrize(
    ("job", "old", "new", "path"),
    [
        ("fs-robot", "<passThreshold>95.0<", "<passThreshold>90.0<", "RobotPublisher/passThresh"),
        ("fs-robot", "<name>main<", "<name>other<", "BranchSpec/name"),
        ("fs-minimal", "<disabled>false<", "<disabled>true<", "/disabled"),
        ("fs-wrappers", "echo &quot;a", "echo &quot;b", "hudson.tasks.Shell/command"),
        (
            "fs-wrappers",
            "<credentialsId>tok<",
            "<credentialsId>kot<",
            "StringBinding/credentialsId",
        ),
        ("fs-publishers", "<skipOldReports>false<", "<skipOldReports>true<", "skipOldReports"),
        ("fs-allure", "<includeProperties>false<", "<includeProperties>true<", "includeProperties"),
        ("pipe-inline", "<numToKeep>5<", "<numToKeep>50<", "strategy/numToKeep"),
        ("pipe-inline", "<sandbox>true<", "<sandbox>false<", "/definition/sandbox"),
        ("pipe-inline", ".CpsFlowDefinition", ".CpsScmFlowDefinition", "/definition/@class"),
        ("pipe-inline", ' class="hudson.tasks.LogRotator"', "", "strategy/@class"),
        ("fs-parameters", "rig-a</string>", "rig-c</string>", "a/string[1]"),
        ("folder", "<displayName>Team folder<", "<displayName>Ours<", "/displayName"),
        ("folder", "<name>All<", "<name>Mine<", "/folderViews"),
        ("view-list", "<includeRegex>fs-.*<", "<includeRegex>.*<", "/includeRegex"),
    ],
)
def test_a_persons_change_is_told(job: str, old: str, new: str, path: str) -> None:
    ours = [d for d in changed(job, old, new) if d.kind == "changed"]
    assert [path in d.path for d in ours] == [True], ours


ADDED_BY_HAND = {
    "a builder": (
        "  </builders>",
        "<hudson.tasks.Shell><command/></hudson.tasks.Shell></builders>",
    ),
    "an empty wrapper": (
        "<buildWrappers/>",
        "<buildWrappers><hudson.plugins.timestamper.TimestamperBuildWrapper/></buildWrappers>",
    ),
    "a trigger": (
        "<triggers/>",
        "<triggers><hudson.triggers.TimerTrigger><spec/></hudson.triggers.TimerTrigger></triggers>",
    ),
    "a property": ("<properties>", "<properties><org.example.Property/>"),
    "a field": ("<canRoam>true</canRoam>", "<canRoam>true</canRoam><quietPeriod>9</quietPeriod>"),
    "a reference": ("<canRoam>true</canRoam>", '<canRoam>true</canRoam><x reference="../scm"/>'),
    "an empty choice": ("<string>rig-b</string>", "<string>rig-b</string><string></string>"),
}


@pytest.mark.parametrize(("old", "new"), ADDED_BY_HAND.values(), ids=ADDED_BY_HAND)
def test_what_a_person_added_is_told(old: str, new: str) -> None:
    (found,) = changed("fs-parameters", old, new)
    assert found.kind == "changed"
    assert found.rendered is None
    assert found.why == "nobody defined it"


def without(job: str, tag: str) -> str:
    head, _, rest = text(job, "saved").partition(f"<{tag}>")
    return head + rest.partition(f"</{tag}>")[2]


def test_a_parameter_that_a_person_removed_is_told() -> None:
    (found,) = differing(
        text("fs-parameters", "rendered"),
        without("fs-parameters", "hudson.model.ChoiceParameterDefinition"),
    )
    assert found.kind == "changed"
    assert found.path == f"{PARAMETERS}/hudson.model.ChoiceParameterDefinition"


def test_an_unknown_plugins_entry_vanishes_and_is_told() -> None:
    unknown = "<org.example.NoSuchPublisher><a>1</a></org.example.NoSuchPublisher>"
    rendered = text("fs-minimal", "rendered").replace(
        "<publishers/>", f"<publishers>{unknown}</publishers>"
    )
    (found,) = differing(rendered, text("fs-minimal", "saved"))
    assert found.kind == "dropped_by_jenkins"
    assert found.path == "/publishers/org.example.NoSuchPublisher"


def test_order_matters_where_things_happen_one_after_the_other() -> None:
    builders = "<builders>{}</builders>"
    shell = "<hudson.tasks.Shell><command>{}</command></hudson.tasks.Shell>"
    batch = "<hudson.tasks.BatchFile><command>c</command></hudson.tasks.BatchFile>"
    rendered = text("fs-parameters", "rendered")
    start = rendered.index("<builders>")
    end = rendered.index("</builders>") + len("</builders>")

    def job(*steps: str) -> str:
        return rendered[:start] + builders.format("".join(steps)) + rendered[end:]

    one, two = shell.format("one"), shell.format("two")
    for before, after in (((one, two), (two, one)), ((one, batch), (batch, one))):
        (found,) = differing(job(*before), job(*after))
        assert (found.path, found.why) == ("/builders", "another order")
    (found,) = differing(job(one, two), job(shell.format("new"), one, two))
    assert (found.kind, found.path) == ("changed", "/builders/hudson.tasks.Shell[1]")


def test_the_order_of_fields_does_not_matter() -> None:
    saved = parse(text("fs-publishers", "saved"))
    fields = saved.child("publishers").children[0].children
    turned = "".join(f"<{f.tag}>{f.text}</{f.tag}>" for f in reversed(fields))
    tag = "hudson.tasks.junit.JUnitResultArchiver"
    job = f"<project><publishers><{tag}>{{}}</{tag}></publishers></project>"
    straight = "".join(f"<{f.tag}>{f.text}</{f.tag}>" for f in fields)
    assert compare(job.format(straight), job.format(turned)).differences == ()


RUN = "org.jenkinsci.plugins.workflow.job.properties.PipelineTriggersJobProperty"


def test_what_a_run_wrote_is_told_from_what_a_person_wrote() -> None:
    drift = compare(text("pipe-inline", "rendered"), text("pipe-inline", "saved-after-run"))
    by_run = {d.path for d in drift.of("added_by_jenkins") if "Jenkinsfile" in d.why}
    assert f"/properties/{RUN}" in by_run
    assert all(path.startswith(("/actions/", "/properties/")) for path in by_run)
    # The run's own record says that it wrote a timer: any other trigger is a person's.
    tracked = "<string>hudson.triggers.TimerTrigger</string>"
    (found,) = changed("pipe-inline", tracked, "", state="saved-after-run")
    assert (found.kind, found.path) == ("changed", f"/properties/{RUN}")


def test_a_persons_trigger_beside_a_runs_is_told() -> None:
    saved = text("pipe-inline", "saved-after-run")
    begin, end = saved.index(f"<{RUN}>"), saved.index(f"</{RUN}>") + len(f"</{RUN}>")
    theirs = saved[begin:end]
    rendered = text("pipe-inline", "rendered").replace(
        "</properties>", theirs.replace("H 4 * * *", "@daily") + "</properties>"
    )
    assert differing(rendered, saved) == []  # the run set its own time
    poll = "<hudson.triggers.SCMTrigger><spec>@hourly</spec></hudson.triggers.SCMTrigger>"
    by_hand = theirs.replace("</triggers>", f"{poll}</triggers>")
    (found,) = differing(rendered, saved.replace(theirs, by_hand))
    assert found.path == f"/properties/{RUN}/triggers/hudson.triggers.SCMTrigger"


def after_run() -> str:
    """A recorded pipeline whose Jenkinsfile has parameters SUITE and RIG, and keeps 5 builds."""
    place = DRIFT.parent / "exchanges" / "pipeline-config-after-run.json"
    return str(json.loads(place.read_text())["response"]["body"])


def test_what_a_run_changed_in_a_property_is_its_own() -> None:
    saved = after_run()
    discarder = "<string>jenkins.model.BuildDiscarderProperty</string>"
    other = saved.replace("<numToKeep>5<", "<numToKeep>9<")
    assert differing(other, saved) == []
    (found,) = differing(other, saved.replace(discarder, ""))[-1:]
    assert found.path.endswith("/numToKeep")
    choices = "<string>rig-a</string>\n            <string>rig-b</string>"
    turned = "<string>rig-b</string><string>rig-a</string>"
    assert choices in saved
    assert differing(saved.replace(choices, turned), saved) == []


def test_a_runs_parameters_are_told_from_a_persons() -> None:
    saved = after_run()
    property_ = "hudson.model.ParametersDefinitionProperty"
    begin, end = saved.index(f"<{property_}>"), saved.index(f"</{property_}>") + len(property_) + 3
    actions = saved[saved.index("<actions>") : saved.index("</actions>") + len("</actions>")]
    rendered = (saved[:begin] + saved[end:]).replace(actions, "<actions/>")
    assert differing(rendered, saved) == []
    (found,) = differing(rendered, saved.replace("<name>RIG</name>", "<name>OWN</name>"))
    assert (found.kind, found.path) == ("changed", f"/properties/{property_}")


def test_passwords_are_never_shown() -> None:
    place = f"{PARAMETERS}/hudson.model.PasswordParameterDefinition/defaultValue"
    rendered, saved = text("fs-parameters", "rendered"), text("fs-parameters", "saved")
    encrypted = parse(saved).find(place.lstrip("/")).text
    drift = compare(rendered, saved)
    assert [(d.rendered, d.saved) for d in drift.of("rewritten_by_jenkins")] == [
        ("[secret]", "[secret]")
    ]
    plain = compare(rendered, saved.replace(encrypted, "in plain sight"))
    gone = compare(rendered, saved.replace(f"<defaultValue>{encrypted}</defaultValue>", ""))
    for found in (plain, gone):
        assert found.matters
        assert "made-up-0000" not in repr(found)
        assert "plain sight" not in repr(found)


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_numbers_are_compared_as_numbers(old: int, new: int) -> None:
    job = "<project><n>{}</n><description>{}</description></project>"
    assert compare(job.format(old, old), job.format(f"{new}.0", old)).matters == (old != new)
    assert compare(job.format(old, old), job.format(old, f"{old}.0")).matters


def render(element: Element) -> str:
    inside = element.text + "".join(map(render, element.children))
    return f"<{element.tag}>{inside}</{element.tag}>"


ELEMENTS = st.recursive(
    st.builds(Element, st.sampled_from("abc"), st.just({}), st.sampled_from(["", "0", "x", "yy"])),
    lambda inner: st.builds(
        Element,
        st.sampled_from(["builders", "triggers", "d", "e.f"]),
        st.just({}),
        st.just(""),
        st.lists(inner, max_size=4).map(tuple),
    ),
    max_leaves=20,
)


@given(ELEMENTS)
def test_a_document_never_differs_from_itself(root: Element) -> None:
    assert compare(render(root), render(root)).differences == ()


@given(ELEMENTS, ELEMENTS)
def test_any_two_documents_can_be_compared(left: Element, right: Element) -> None:
    there, back = (compare(render(a), render(b)) for a, b in ((left, right), (right, left)))
    assert there.matters == back.matters


CLONE = "hudson.plugins.git.extensions.impl.CloneOption"


@pytest.mark.parametrize(("kept", "matters"), [("/srv/repo", False), ("/srv/other", True)])
def test_what_job_builder_renders_twice_is_kept_once(kept: str, matters: bool) -> None:
    scm = "<p><scm>{}<extensions><{c}><reference>{}</reference></{c}></extensions></scm></p>"
    rendered = scm.format("<reference>/srv/repo</reference>", "/srv/repo", c=CLONE)
    assert compare(rendered, scm.format("", kept, c=CLONE)).matters == matters


@pytest.mark.timeout(30)
def test_a_huge_document_is_compared_in_time() -> None:
    """Comparing each with each would take minutes."""
    names = [f"<string>{number}</string>" for number in range(90_000)]
    there, back = (f"<a>{''.join(strings)}</a>" for strings in (names, reversed(names)))
    assert [d.why for d in differing(there, back)] == ["another order"]
