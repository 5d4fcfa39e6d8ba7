"""What Jenkins answers, what its users post, and what builds leave."""

from __future__ import annotations

from benchmarks.mutation.recorded import RECORDINGS, bodies, seeds, whole, written
from benchmarks.mutation.target import Target, text_of
from blueprints import guarded_xml
from jobs import jenkinsfile
from lab.jenkins import config_xml, console
from lab.jenkins.embedded import exports, jobconfig, junit

_CONFIGS = whole("jenkins/drift/**/*.xml", below=RECORDINGS)


_JUNIT: bytes = b"""<?xml version="1.0" encoding="UTF-8"?>
<testsuites><testsuite name="paas" tests="3" time="1.5" timestamp="2026-11-25T12:00:00" id="1">
<testcase classname="a.b" name="one" time="0.5"/>
<testcase classname="a.b" name="two" time="1e-3"><failure message="no &amp; no">at line 3</failure>
<system-out>said</system-out></testcase>
<testcase name="three"><skipped message="no host"/><system-err>x</system-err></testcase>
</testsuite></testsuites>
"""


def _log(data: bytes) -> None:
    """In two pieces: their sizes are the raw log's, and the first number of a piece lies."""
    log = console.ConsoleLog()
    half = len(data) // 2
    log.feed(half, data[:half])
    log.feed(max(0, len(data) - data[:1].count(b"A")), data[half:])
    log.finish()


def _job(data: bytes) -> None:
    config = jobconfig.JobConfig.of(data)
    for parameter in config.parameters:
        parameter.value(None)


def _trees() -> list[bytes]:
    return [
        b"jobs[name,lastBuild[number,result]]{0,5},mode",
        b"builds[number,queueId]{0,20}",
        b"property[parameterDefinitions[name,type]],nextBuildNumber,color,*",
    ]


TARGETS = (
    Target(
        "job-config",
        "a job's config.xml, compared with ours",
        lambda data: config_xml.parse(text_of(data)),
        _CONFIGS,
        (guarded_xml.XmlRefused,),
        (config_xml, guarded_xml),
    ),
    Target(
        "job-posted",
        "a job's config.xml, posted to the embedded Jenkins",
        _job,
        _CONFIGS,
        (guarded_xml.XmlRefused,),
        (jobconfig, guarded_xml),
    ),
    Target(
        "console-log",
        "pieces of a build's log",
        _log,
        lambda: [
            b"Started by user \x1b[8mha:////4AAAA=\x1b[0madmin\r\n+ echo a\r\na\r\n"
            b"Finished: SUCCESS\r\n",
            *seeds((b for b in bodies("jenkins/exchanges") if b"Finished" in b), most=20),
        ],
        (console.PieceCutOff,),
        (console,),
    ),
    Target(
        "build-junit",
        "JUnit files that a build leaves",
        lambda data: junit.report([written("junit.xml", data)]),
        lambda: [_JUNIT],
        (guarded_xml.XmlRefused,),
        (junit, guarded_xml),
    ),
    Target(
        "api-tree",
        "the parameter tree of Jenkins' API",
        lambda data: exports.parse_tree(text_of(data)),
        _trees,
        (exports.BadTree,),
        (exports,),
    ),
    Target(
        "jenkinsfile",
        "a Jenkinsfile",
        lambda data: jenkinsfile.parse(text_of(data)).commands(),
        whole("Jenkinsfile", "jobs/*.Jenkinsfile"),
        (jenkinsfile.JenkinsfileError,),
        (jenkinsfile,),
    ),
)
