"""What can be asked of a build: ``/job/NAME/NUMBER/…``."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from aiohttp import web

from lab.jenkins.embedded import console, pages
from lab.jenkins.embedded.api_builds import BuildsApi
from lab.jenkins.embedded.controller import Controller
from lab.jenkins.embedded.request import Ask, moved, plain
from lab.jenkins.embedded.store import BuildRow

#: What Jenkins lets a browser do with files that builds have left.
_CSP = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"


class BuildRoutes:
    """Builds over a controller."""

    def __init__(self, controller: Controller, api: BuildsApi) -> None:
        self._controller = controller
        self._api = api

    async def on(  # noqa: PLR0911 (a table of paths)
        self, ask: Ask, place: tuple[str, int], rest: tuple[str, ...]
    ) -> web.StreamResponse:
        """A path below a build. Raises `pages.Refused` for what is not there."""
        build = self._controller.store.build(*place)
        if build is None:
            raise pages.not_found()
        match rest:
            case ("api", "json"):
                return ask.show(self._api.build(build))
            case ("buildNumber",):
                kind = {"Content-Type": "text/plain;charset=US-ASCII"}
                return web.Response(text=str(build.number), headers=kind)
            case ("logText", "progressiveText"):
                return self._progressive(ask, build)
            case ("consoleText",):
                return plain(console.plain(self._log(build)))
            case ("testReport", "api", "json"):
                return self._test_report(ask, build)
            case ("artifact", *names):
                return self._artifact(build, names)
            case ("stop",):
                return self._stop(ask, build)
            case ("doDelete",):
                ask.post_only()
                ask.need("Run.Delete")
                self._controller.delete_build(build)
                return moved(ask.uri.rpartition("/")[0].rpartition("/")[0] + "/")
        if not rest:
            if not ask.slash:
                return moved(ask.uri + "/")
            return pages.page(200, f"<h1>#{build.number}</h1>")
        raise pages.not_found()

    def _log(self, build: BuildRow) -> Path:
        return self._controller.store.directory_of(build) / "log"

    def _progressive(self, ask: Ask, build: BuildRow) -> web.Response:
        try:
            start = int(ask.form.get("start") or 0)
        except ValueError:
            raise pages.oops() from None
        headers = {} if build.result else {"X-More-Data": "true"}
        part, size = console.progressive(self._log(build), start)
        return plain(part, **{"X-Text-Size": str(size)}, **headers)

    def _test_report(self, ask: Ask, build: BuildRow) -> web.Response:
        report = self._api.test_report(build)
        if report is None:
            raise pages.not_found_upwards()
        return ask.show(report)

    def _artifact(self, build: BuildRow, names: list[str]) -> web.StreamResponse:
        root = self._api.artifacts_of(build)
        if names == ["*zip*", "archive.zip"]:
            return web.Response(body=_zipped(root), content_type="application/zip")
        file = root.joinpath(*names).resolve()  # a name may hold %2f and "..", a file be a link
        if not file.is_relative_to(root.resolve()) or not file.is_file():
            raise pages.not_found()
        headers = {"X-Content-Security-Policy": _CSP, "X-WebKit-CSP": _CSP}
        if file.suffix == ".xml":
            headers["Content-Type"] = "application/xml"
        return web.FileResponse(file, headers=headers)

    def _stop(self, ask: Ask, build: BuildRow) -> web.Response:
        ask.post_only()
        ask.need("Item.Cancel")
        self._controller.stop(build, ask.caller.name)
        return moved(ask.uri.removesuffix("stop"))


def _zipped(root: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                archive.write(path, f"archive/{path.relative_to(root)}")
    return packed.getvalue()
