"""One build for one request, whatever happens on the way; its log whole; its result."""

from __future__ import annotations

import json

import pytest

from blueprints.errors import ConfigError
from lab.errors import WaitTimeout
from lab.jenkins.errors import AnswerLost, JenkinsError, NotFound, RequestRefused
from lab.jenkins.following import Build, Cancelled, Follower
from lab.jenkins.triggering import Asked, prepare, trigger
from tests.jenkins.replay import (
    Answer,
    Cut,
    answer,
    as_json,
    conversation,
    exchange,
    sequence,
)

JOB = "/job/rec-slow/api/json"
POST = "/job/rec-slow/buildWithParameters"
VALUES = {"SUITE": "full ä & <b>", "RIG": "rig-b"}
ITEM = json.loads(
    next(a for _, path, _, a in conversation("run-success") if path.startswith("/queue/")).body
)
BUILD = json.loads(
    next(a for _, path, _, a in conversation("run-success") if path.endswith("/1/api/json")).body
)
EMPTY = exchange("queue-empty")


def job(**more):
    """The recorded job's API data, with ``builds`` and whatever else is asked for."""
    return as_json({**json.loads(exchange("job-api-parameterized").body), **more})


@pytest.fixture
def jenkins(replay):
    """The recorded job and queue; its number 1 is to come next."""
    replay.on("GET", JOB, job())
    replay.on("GET", "/crumbIssuer/api/json", exchange("crumb-token"))
    replay.on("GET", "/whoAmI/api/json", exchange("whoami-token"))
    replay.on("GET", "/queue/api/json", EMPTY)
    replay.on("POST", POST, exchange("bwp-ok"))
    return replay


def ask(client, values=VALUES, *, settle=0.3):
    return trigger(client, prepare(client, "rec-slow", values), settle=settle)


def test_values_travel_in_the_body_and_the_item_comes_back(jenkins, connect):
    assert ask(connect(jenkins.url)) == Asked("rec-slow", item=13)
    (post,) = jenkins.requests("POST", POST)
    assert post.query == {"delay": "0sec"}
    assert post.body == "SUITE=full+%C3%A4+%26+%3Cb%3E&RIG=rig-b"


def test_a_job_without_parameters_is_built_by_the_other_call(replay, connect):
    never_built = exchange("job-api-never-built")
    replay.on("GET", "/job/rec-plain/api/json", never_built)
    replay.on("GET", "/crumbIssuer/api/json", Answer(404))
    replay.on("POST", "/job/rec-plain/build", exchange("build-unparameterized-ok"))
    client = connect(replay.url)
    assert trigger(client, prepare(client, "rec-plain", {})).item is not None


def test_an_identical_item_takes_the_request_in(jenkins, connect):
    location = ("Location", "http://elsewhere.invalid/queue/item/9/")
    jenkins.on("POST", POST, Answer(303, (location,)))
    assert ask(connect(jenkins.url)) == Asked("rec-slow", item=9, merged=True)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"SIUTE": "x"}, "no parameter SIUTE; did you mean SUITE"),
        ({"RIG": "rig-c"}, "RIG cannot be 'rig-c'; did you mean rig-"),
        ({"CLEAN": "yes"}, "CLEAN cannot be 'yes'"),
    ],
)
def test_what_jenkins_would_drop_or_bend_is_refused_before(jenkins, connect, values, says):
    with pytest.raises(ConfigError, match=says):
        ask(connect(jenkins.url), values)
    assert jenkins.requests("POST", POST) == []


def test_a_job_that_cannot_be_built_is_refused_before(replay, connect):
    client = connect(replay.url)
    replay.on("GET", "/job/rec-off/api/json", exchange("job-api-disabled"))
    with pytest.raises(RequestRefused, match="disabled"):
        prepare(client, "rec-off", {})
    replay.on("GET", "/job/none/api/json", exchange("job-api-unknown"))
    with pytest.raises(NotFound):
        prepare(client, "none", {})
    replay.on("GET", "/job/rec-plain/api/json", exchange("job-api-never-built"))
    with pytest.raises(ConfigError, match="known after its first run only"):
        prepare(client, "rec-plain", {"A": "1"})
    folder = next(a for _, path, _, a in conversation("folder") if path.endswith("/api/json"))
    replay.on("GET", "/job/rec-folder/api/json", folder)
    with pytest.raises(RequestRefused, match="is no job"):
        prepare(client, "rec-folder", {})


def test_a_place_that_is_no_queue_item_is_no_success(jenkins, connect):
    jenkins.on("POST", POST, exchange("build-parameterized-json"))  # names the job
    with pytest.raises(RequestRefused, match="named no queue item"):
        ask(connect(jenkins.url))


@pytest.fixture
def lost(jenkins):
    """Answers get lost; what Jenkins made of the request is set by ``taken``."""

    def taken(queue=EMPTY, builds=()):
        def done():
            jenkins.on("GET", "/queue/api/json", queue)
            jenkins.on("GET", JOB, job(builds=list(builds)))

        jenkins.on("POST", POST, Cut(done), exchange("bwp-ok"))

    return taken


def of_job(item):
    return {**item, "task": {**item["task"], "url": "http://x.invalid/ci/job/rec-slow/"}}


def test_a_lost_answer_is_found_in_the_queue(jenkins, connect, lost):
    lost(queue=as_json({"items": [of_job({**ITEM, "id": 5})]}))
    assert ask(connect(jenkins.url)) == Asked("rec-slow", item=5)
    assert len(jenkins.requests("POST", POST)) == 1


def test_a_lost_answer_is_found_among_the_builds(jenkins, connect, lost):
    lost(builds=[{**BUILD, "number": 2}, {**BUILD, "number": 1}])
    assert ask(connect(jenkins.url)) == Asked("rec-slow", number=1)
    assert len(jenkins.requests("POST", POST)) == 1


def others(thing, **values):
    """The same, as another account asked for it, or with other values."""
    actions = json.loads(json.dumps(thing["actions"]))
    for action in actions:
        for parameter in action.get("parameters", []):
            parameter["value"] = values.get(parameter["name"], parameter["value"])
        for cause in action.get("causes", []):
            cause["userId"] = values.get("user", cause["userId"])
    return {**thing, "actions": actions}


@pytest.mark.parametrize(
    "there",
    [
        {"queue": as_json({"items": [of_job(others(ITEM, user="reader"))]})},
        {"queue": as_json({"items": [of_job(others(ITEM, SUITE="another"))]})},
        {"queue": as_json({"items": [{**ITEM, "task": {"url": "http://x/job/other/"}}]})},
        {"builds": [{**BUILD, "number": 0}]},
        {"builds": [others({**BUILD, "number": 7}, RIG="rig-a")]},
        {},
    ],
    ids=["another's", "other values", "another job's", "an older build", "other build", "nothing"],
)
def test_a_request_that_never_arrived_is_sent_again_once(jenkins, connect, lost, there):
    lost(**there)
    assert ask(connect(jenkins.url)) == Asked("rec-slow", item=13)
    assert len(jenkins.requests("POST", POST)) == 2


def test_requests_that_never_arrive_are_given_up(jenkins, connect):
    jenkins.on("POST", POST, Cut())
    with pytest.raises(AnswerLost):
        ask(connect(jenkins.url), settle=0.1)
    assert len(jenkins.requests("POST", POST)) == 3


def test_a_restart_between_request_and_answer_triggers_once(jenkins, connect, lost):
    """Cut, refused, 503, refused credentials, and then the item is there."""
    starting = next(e for e in sequence("startup-503") if e["response"])
    item = as_json({"items": [of_job(ITEM)]})
    login = exchange("root-api-wrong-token")

    def restart():
        jenkins.on("GET", "/whoAmI/api/json", answer(starting["response"]), login)
        jenkins.then("GET", "/whoAmI/api/json", exchange("whoami-token"))
        jenkins.on("GET", "/queue/api/json", EMPTY, item)

    jenkins.on("POST", POST, Cut(restart))
    assert ask(connect(jenkins.url)) == Asked("rec-slow", item=1)
    assert len(jenkins.requests("POST", POST)) == 1


@pytest.mark.parametrize("refused", ["503", "401", "403"])
def test_a_starting_jenkins_is_asked_again_for_it_did_nothing(jenkins, connect, refused):
    startup = {str(e["response"]["status"]): e for e in sequence("startup-503") if e["response"]}
    jenkins.on("POST", POST, answer(startup[refused]["response"]), exchange("bwp-ok"))
    assert ask(connect(jenkins.url)).item == 13


class Shown:
    """Where a follower writes."""

    def __init__(self):
        self.log, self.told = "", []

    def follower(self, client, **options):
        options = {"poll": 0.02, "missing": 0.3, "timeout": 20, **options}
        return Follower(client, log=self.add, notice=self.told.append, **options)

    def add(self, text):
        self.log += text


@pytest.fixture
def shown():
    return Shown()


@pytest.mark.parametrize(
    ("name", "build", "result"),
    [
        ("run-success", Build("rec-slow", 1), "SUCCESS"),
        ("run-unstable", Build("rec-slow", 2), "UNSTABLE"),
        ("pipeline-stop", Build("rec-pipe-slow", 1), "ABORTED"),
        ("pipeline-fail-post", Build("rec-pipe-fail", 1), "FAILURE"),
        ("pipeline-scm-success", Build("rec-pipe-scm", 1), "SUCCESS"),
    ],
)
def test_recorded_runs_are_followed_to_their_end(replay, connect, shown, name, build, result):
    replay.play(name)
    item = next(path for _, path, _, _ in conversation(name) if path.startswith("/queue/item/"))
    client = connect(replay.url)
    # The log's end has been read by then; asked for again it is empty.
    end = max(
        int(dict(a.headers)["X-Text-Size"])
        for _, path, _, a in conversation(name)
        if path.endswith("/progressiveText")
    )
    log_path = f"/{build.path}logText/progressiveText?start={end}"
    replay.on("GET", log_path, Answer(200, (("X-Text-Size", str(end)),)))
    follower = shown.follower(client, missing=10)
    assert follower.build_of(Asked(build.job, item=int(item.split("/")[3]))) == build
    assert follower.result_of(build) == result
    whole = [a.body for _, path, _, a in conversation(name) if path.endswith("/consoleText")]
    assert shown.log.endswith(f"Finished: {result}\n")
    assert [shown.log] == [body.decode() for body in whole] or not whole


def log(size, body="", *, more=False):
    headers = (("X-Text-Size", str(size)), *((("X-More-Data", "true"),) if more else ()))
    return Answer(200, headers, body.encode())


LOG = "/job/j/1/logText/progressiveText"
RUNS, DONE = (
    as_json({"building": True, "result": None}),
    as_json({"building": False, "result": "SUCCESS"}),
)


def test_a_log_survives_cuts_restarts_and_refusals(replay, connect, shown):
    cut_body = Answer(
        200, (("X-Text-Size", "8"), ("X-More-Data", "true")), b"one\r\ntwo\r\n", cut=5
    )
    starting = next(e for e in sequence("startup-503") if e["response"])
    truncated = log(8, "one\r\n", more=True)
    replay.on(
        "GET", f"{LOG}?start=0", Cut(), cut_body, truncated, answer(starting["response"]),
        exchange("root-api-wrong-token"), log(8, "one\r\ntwo\r\n", more=True),
    )  # fmt: skip
    replay.on("GET", f"{LOG}?start=8", log(8, more=True), Cut(), Answer(404), log(11, "th\r\n"))
    replay.on("GET", f"{LOG}?start=11", log(14, "re\r\n"), log(14))
    replay.on("GET", f"{LOG}?start=14", log(14))
    replay.on("GET", "/job/j/1/api/json", RUNS, RUNS, DONE)
    assert shown.follower(connect(replay.url)).result_of(Build("j", 1)) == "SUCCESS"
    assert shown.log == "one\ntwo\nth\nre\n"


def test_what_was_written_between_the_last_piece_and_the_end_is_shown(replay, connect, shown):
    replay.on("GET", f"{LOG}?start=0", log(0))
    replay.on("GET", f"{LOG}?start=0", log(0), log(5, "late\r\n"))
    replay.on("GET", "/job/j/1/api/json", DONE)
    shown.follower(connect(replay.url)).result_of(Build("j", 1))
    assert shown.log == "late\n"


def test_a_log_that_never_ends_is_left_when_its_build_has_ended(replay, connect, shown):
    replay.on("GET", f"{LOG}?start=0", log(5, "done\r\n", more=True))
    replay.on("GET", f"{LOG}?start=5", log(5, more=True))
    replay.on("GET", "/job/j/1/api/json", RUNS, DONE)
    assert shown.follower(connect(replay.url), timeout=10).result_of(Build("j", 1)) == "SUCCESS"
    assert shown.log == "done\n"


def test_a_build_without_a_log_is_told(replay, connect, shown):
    replay.on("GET", f"{LOG}?start=0", Answer(404))
    with pytest.raises(JenkinsError, match="has no log"):
        shown.follower(connect(replay.url)).result_of(Build("j", 1))
    replay.on("GET", f"{LOG}?start=0", Answer(200, (), b"a proxy's page"))
    with pytest.raises(JenkinsError, match="has no log; found: 'x-text-size'"):
        shown.follower(connect(replay.url)).result_of(Build("j", 1))


def test_following_ends_at_its_time_out(replay, connect, shown):
    replay.on("GET", f"{LOG}?start=0", log(0, more=True))
    replay.on("GET", "/job/j/1/api/json", RUNS)
    with pytest.raises(WaitTimeout, match="the end of j #1"):
        shown.follower(connect(replay.url), timeout=0.2).result_of(Build("j", 1))


def test_an_item_that_the_queue_forgot_is_found_by_its_build(replay, connect, shown):
    replay.on("GET", "/queue/item/5/api/json", exchange("queue-item-unknown"))
    none, found = (as_json({"builds": b}) for b in ([], [{"number": 8, "queueId": 5}]))
    replay.on("GET", "/job/j/api/json", none, found)
    follower = shown.follower(connect(replay.url))
    assert follower.build_of(Asked("j", item=5)) == Build("j", 8)
    replay.on("GET", "/job/j/api/json", none)
    with pytest.raises(JenkinsError, match="queue item 5 of j is gone"):
        follower.build_of(Asked("j", item=5))


def blocked_items():
    return [a for _, path, _, a in conversation("queue-blocked-cancel-stop")
            if path == "/queue/item/5/api/json"]  # fmt: skip


def test_a_cancelled_item_has_no_build(replay, connect, shown):
    replay.on("GET", "/queue/item/5/api/json", *blocked_items())
    with pytest.raises(Cancelled, match="queue item 5"):
        shown.follower(connect(replay.url)).build_of(Asked("rec-plain", item=5))
    assert [told.split()[1] for told in shown.told] == ["In", "Build"]  # not every countdown


def test_what_waits_is_cancelled_and_what_runs_is_stopped(replay, connect, shown):
    replay.on("GET", "/crumbIssuer/api/json", Answer(404))
    recorded = conversation("queue-blocked-cancel-stop")
    cancelled, again = [a for m, p, _, a in recorded if (m, p) == ("POST", "/queue/cancelItem")][:2]
    assert (cancelled.status, again.status) == (204, 500)
    stopped = next(a for m, p, _, a in recorded if (m, p) == ("POST", "/job/rec-plain/1/stop"))
    replay.on("POST", "/queue/cancelItem", cancelled)
    replay.on("GET", "/queue/item/5/api/json", blocked_items()[-1])
    follower = shown.follower(connect(replay.url))
    assert follower.stop(Asked("rec-plain", item=5), None) == "CANCELLED"
    assert replay.requests("POST", "/queue/cancelItem")[0].query == {"id": "5"}
    # One that has left the queue in the meantime: 500, and it runs.
    replay.on("POST", "/queue/cancelItem", again)
    ran = next(a for _, p, _, a in recorded if p == "/queue/item/4/api/json")
    replay.on("GET", "/queue/item/4/api/json", ran)
    replay.on("POST", "/job/rec-plain/1/stop", stopped)
    states = [a for m, p, _, a in recorded if (m, p) == ("GET", "/job/rec-plain/1/api/json")]
    replay.on("GET", "/job/rec-plain/1/api/json", *states)
    assert follower.stop(Asked("rec-plain", item=4), None) == "ABORTED"
    assert len(replay.requests("POST", "/job/rec-plain/1/stop")) == 1
