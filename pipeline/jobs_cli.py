"""``./iec4 jobs``: the Jenkins jobs as they are defined, as they are there, and their builds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.options import DEFAULT_BLUEPRINT, Ca, DryRun, Json, MaturityName, maturity_of

app = typer.Typer(no_args_is_help=True, help="The Jenkins jobs.")

Site = Annotated[Path | None, typer.Option(help="Your copy of jobs/definitions/site.yaml.")]
JenkinsUrl = Annotated[
    str | None,
    typer.Option("--jenkins", envvar="JENKINS_URL", help="Its URL, with a context path."),
]
JenkinsUser = Annotated[
    str | None, typer.Option("--user", envvar="JENKINS_USER", help="The account.")
]
JenkinsToken = Annotated[
    str | None,
    typer.Option("--token", help="env:NAME or file:PATH; env:JENKINS_TOKEN unless given."),
]
JenkinsCa = Annotated[
    Path | None, typer.Option("--ca", envvar="JENKINS_CA", help="Who vouches for its certificate.")
]


@app.command("render")
def render(
    output: Annotated[Path | None, typer.Option(help="A directory; stdout unless given.")] = None,
    site: Site = None,
) -> int:
    """Render the Jenkins jobs as XML. Example: ./iec4 jobs render --output build/jobs"""
    from jobs.render import SITE
    from jobs.render import render as rendered

    for name, xml in rendered(output, site=site or SITE).items():
        if output is None:
            print(xml)
        else:
            print(output / f"{name}.xml")
    return 0


@app.command("lint")
def lint(site: Site = None) -> int:
    """Say what the rendered jobs lack. Example: ./iec4 jobs lint"""
    from pipeline import jenkins_jobs

    return jenkins_jobs.lint(site)


@app.command("groovy")
def groovy() -> int:
    """Fetch Groovy by Maven, once: the embedded Jenkins runs pipeline jobs with it.

    Example: ./iec4 jobs groovy
    """
    from lab.jenkins.groovy import prepared

    print(prepared())
    return 0


@app.command("diff")
def diff(
    jenkins: JenkinsUrl = None,
    user: JenkinsUser = None,
    token: JenkinsToken = None,
    ca: JenkinsCa = None,
    site: Site = None,
    files: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="RENDERED SAVED", help="Compare two config.xml files instead."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Compare in meaning what is defined with what Jenkins has.

    Example: ./iec4 jobs diff --jenkins https://ci.example.org --user me --json
    """
    from lab.jenkins.access import access
    from pipeline import jenkins_jobs

    if files is not None:
        return jenkins_jobs.diff_files(*files, as_json=as_json)
    return jenkins_jobs.diff(access(jenkins, user, token, ca), site, as_json=as_json)


@app.command("apply")
def apply(
    jenkins: JenkinsUrl = None,
    user: JenkinsUser = None,
    token: JenkinsToken = None,
    ca: JenkinsCa = None,
    site: Site = None,
    dry_run: DryRun = False,
) -> int:
    """Create what Jenkins lacks, change what differs; builds are kept.

    Example: ./iec4 jobs apply --jenkins https://ci.example.org --user me --dry-run
    """
    from lab.jenkins.access import access
    from pipeline import jenkins_jobs

    return jenkins_jobs.apply(access(jenkins, user, token, ca), site, dry_run=dry_run)


@app.command("prune")
def prune(
    jenkins: JenkinsUrl = None,
    user: JenkinsUser = None,
    token: JenkinsToken = None,
    ca: JenkinsCa = None,
    site: Site = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it they are listed.")] = False,
    dry_run: DryRun = False,
) -> int:
    """Delete jobs of ours that are defined no more, with their builds.

    Example: ./iec4 jobs prune --jenkins https://ci.example.org --user me --yes
    """
    from lab.jenkins.access import access
    from pipeline import jenkins_jobs

    return jenkins_jobs.prune(access(jenkins, user, token, ca), site, yes=yes and not dry_run)


@app.command("trigger")
def trigger(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Its name; FOLDER/NAME in a folder.")],
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A value.")
    ] = None,
    secret_param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=REFERENCE", help="A secret value: env:NAME or file:PATH."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Follow it; its result is the exit code.")
    ] = True,
    stop_on_interrupt: Annotated[
        bool, typer.Option("--stop-on-interrupt", help="Ctrl-C ends the build, too.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to follow it.")] = 43200,
    jenkins: JenkinsUrl = None,
    user: JenkinsUser = None,
    token: JenkinsToken = None,
    ca: JenkinsCa = None,
    dry_run: DryRun = False,
) -> int:
    """Have a job built, once, and follow its log.

    Exit code: 0 SUCCESS, 1 FAILURE or UNSTABLE, 3 ABORTED, 4 cancelled or not built.
    Example: ./iec4 jobs trigger iec4-validate-daily-master -p LAYER=paas --wait
    """
    from lab.jenkins.access import access
    from pipeline import jenkins_builds

    return jenkins_builds.trigger(
        access(jenkins, user, token, ca),
        job,
        jenkins_builds.values(param or [], secret_param or []),
        wait=wait,
        stop_on_interrupt=stop_on_interrupt,
        timeout=timeout,
        dry_run=dry_run,
    )


@app.command("akraino")
def akraino(
    run: Annotated[Path, typer.Option(envvar="IEC4_RUN", help="A new run directory.")],
    submission_id: Annotated[int, typer.Option(envvar="SUBMISSION_ID", help="The UI's number.")],
    lab: Annotated[str, typer.Option(envvar="LAB", help="The lab's silo; snd-NAME: sandbox.")],
    ui_ip: Annotated[str, typer.Option(envvar="UI_IP", help="HOST[:PORT] of the UI.")],
    blueprint: Annotated[
        str, typer.Option("--blueprint", envvar="BLUEPRINT", help="A blueprint's name.")
    ] = DEFAULT_BLUEPRINT,
    layer: Annotated[str, typer.Option(envvar="LAYER", help="A layer, or all.")] = "all",
    version: Annotated[str, typer.Option(envvar="VERSION", help="The blueprint's.")] = "master",
    optional: Annotated[
        str, typer.Option(envvar="OPTIONAL", help="true: judge what is not mandatory, too.")
    ] = "false",
    labs: Annotated[Path | None, typer.Option(help="Where inventories lie, NAME.yaml.")] = None,
    nexus: Annotated[str | None, typer.Option(metavar="URL", help="Where to submit.")] = None,
    credentials: Annotated[
        str | None, typer.Option(metavar="REF", help="user:password by reference; else netrc.")
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="REF", help="The signing key.")] = None,
    ui_scheme: Annotated[str, typer.Option(help="http or https.")] = "http",
    ca: Ca = None,
    maturity: MaturityName = "incubation",
    dry_run: DryRun = False,
) -> int:
    """Do what Akraino's validation UI asks of Jenkins: judge, submit, tell the UI.

    Example: ./iec4 jobs akraino --submission-id 7 --lab inwinstack --ui-ip 192.0.2.7
    """
    from pipeline.akraino import Asked, Site, answer

    asked = Asked(submission_id, blueprint, layer, version, lab, optional, ui_ip)
    site = Site(labs, nexus, credentials, key, ui_scheme, ca)
    return answer(asked, site, run, maturity=maturity_of(maturity), dry_run=dry_run)


@app.command("fetch")
def fetch(
    builds: Annotated[
        list[str], typer.Argument(metavar="JOB/NUMBER...", help="Builds that judged a lab.")
    ],
    output: Annotated[Path, typer.Option(help="The directory that gets the run directories.")],
    jenkins: JenkinsUrl = None,
    user: JenkinsUser = None,
    token: JenkinsToken = None,
    ca: JenkinsCa = None,
) -> int:
    """Bring here the runs that builds have archived.

    Example: ./iec4 jobs fetch iec4-validate-daily-master/17 --output results
    """
    from lab.jenkins.access import access
    from pipeline.jenkins_archives import fetch

    words = [word for text in builds for word in text.split()]
    return fetch(access(jenkins, user, token, ca), words, output)


@app.command("watch")
def watch(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Its name; FOLDER/NAME in a folder.")],
    number: Annotated[
        int | None, typer.Argument(metavar="[BUILD]", help="Its number; the last unless given.")
    ] = None,
    stop_on_interrupt: Annotated[
        bool, typer.Option("--stop-on-interrupt", help="Ctrl-C ends the build, too.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to follow it.")] = 43200,
    jenkins: JenkinsUrl = None,
    user: JenkinsUser = None,
    token: JenkinsToken = None,
    ca: JenkinsCa = None,
) -> int:
    """Follow the log of a build to its end; its result is the exit code.

    Example: ./iec4 jobs watch iec4-validate-daily-master 17
    """
    from lab.jenkins.access import access
    from pipeline import jenkins_builds

    return jenkins_builds.watch(
        access(jenkins, user, token, ca),
        job,
        number,
        stop_on_interrupt=stop_on_interrupt,
        timeout=timeout,
    )
