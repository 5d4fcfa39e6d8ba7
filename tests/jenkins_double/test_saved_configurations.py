"""A job's config.xml through its life, against recorded jobs: rendered, posted, saved, posted."""

from __future__ import annotations

import re

import pytest

from lab.payload import ROOT
from tests.jenkins_double.running import Answer, Master

DRIFT = ROOT / "fixtures" / "recordings" / "jenkins" / "drift"
#: view-list is no item; a folder cannot be disabled, by which these are saved.
JOBS = sorted({p.name for p in DRIFT.iterdir() if p.is_dir()} - {"view-list", "folder"})
#: How each was saved when it was recorded: the second call leaves it as it was defined.
SAVED_BY = {"fs-disabled": ("enable", "disable")}


def post(master: Master, path: str, body: bytes) -> Answer:
    return master.ask("POST", path, headers={"Content-Type": "text/xml"}, body=body)


def config(master: Master, name: str) -> str:
    answer = master.ask("GET", f"/job/{name}/config.xml")
    # What is encrypted is encrypted with a key of its own everywhere.
    return re.sub(r"\{AQAA[^}]+\}", "{AQAA}", answer.text)


@pytest.mark.parametrize("name", JOBS)
def test_a_save_changes_what_jenkins_changes(name: str, shared_master: Master) -> None:
    rendered = (DRIFT / name / "rendered.xml").read_bytes()
    posted = (DRIFT / name / "posted.xml").read_text()
    saved = re.sub(r"\{AQAA[^}]+\}", "{AQAA}", (DRIFT / name / "saved.xml").read_text())
    assert post(shared_master, f"/createItem?name={name}", rendered).status == 200
    assert config(shared_master, name) == posted
    calls = SAVED_BY.get(name, ("disable", "enable"))
    for call in calls * 2:  # a second save changes nothing
        assert shared_master.ask("POST", f"/job/{name}/{call}").status == 302
    assert config(shared_master, name) == saved
    assert post(shared_master, f"/job/{name}/config.xml", rendered).status == 200
    assert config(shared_master, name) == posted


def test_a_view_is_written_anew_at_once(shared_master: Master) -> None:
    rendered = (DRIFT / "view-list" / "rendered.xml").read_bytes()
    assert post(shared_master, "/createView?name=view-list", rendered).status == 200
    kept = shared_master.ask("GET", "/view/view-list/config.xml").text
    assert kept == (DRIFT / "view-list" / "posted.xml").read_text()


@pytest.mark.parametrize(
    "hostile",
    [
        b'<!DOCTYPE p [<!ENTITY a "b">]><project><description>&a;</description></project>',
        b"<project>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</project>",
        b"\xff\xfe\x00",
    ],
    ids=["entity", "deep", "no text"],
)
def test_hostile_xml_is_refused(hostile: bytes, shared_master: Master) -> None:
    assert post(shared_master, "/createItem?name=hostile", hostile).status == 500
    assert shared_master.ask("GET", "/job/hostile/api/json").status == 404
