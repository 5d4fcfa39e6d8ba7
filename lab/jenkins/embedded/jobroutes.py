"""What can be asked of a job or folder: ``/job/NAME/…``, and of where they are made."""

from __future__ import annotations

import json
import re
from urllib.parse import quote
from xml.etree.ElementTree import Element

from aiohttp import web

from blueprints.guarded_xml import XmlRefused, parse
from lab.jenkins.embedded import pages
from lab.jenkins.embedded.api import PERMALINKS, Api
from lab.jenkins.embedded.api_builds import BuildsApi
from lab.jenkins.embedded.buildroutes import BuildRoutes
from lab.jenkins.embedded.controller import Controller
from lab.jenkins.embedded.jobconfig import BadChoice, JobConfig, Value
from lab.jenkins.embedded.pages import quoted
from lab.jenkins.embedded.request import Ask, empty, moved, plain, xml
from lab.jenkins.embedded.saving import saved, saved_view
from lab.jenkins.embedded.shapes import FOLDER
from lab.jenkins.embedded.store import ItemRow, parent_of
from lab.jenkins.embedded.xmltree import as_posted

_UNSAFE = "?*/\\%!@#$^&|<>[]:;"
_SCHEDULE = re.compile(r"<spec>[^<]*</spec>")
_XML_TYPES = ("text/xml", "application/xml")


class JobRoutes:
    """Items over a controller. ``plugins``: name → version, for what a save writes."""

    def __init__(
        self, controller: Controller, api: Api, builds: BuildsApi, plugins: dict[str, str]
    ) -> None:
        self._controller = controller
        self._store = controller.store
        self._api = api
        self._plugins = plugins
        self._builds = BuildRoutes(controller, builds)

    # Folders and the top: what is made in them

    async def in_folder(self, ask: Ask, folder: str, path: tuple[str, ...]) -> web.StreamResponse:
        """A path below a folder; "" is the top. Raises `pages.Refused` for what is not there."""
        match path:
            case ("job", name, *rest):
                return await self._item(ask, f"{folder}/{name}" if folder else name, tuple(rest))
            case ("createItem",):
                return await self._create_item(ask, folder)
            case ("createView",):
                return await self._create_view(ask, folder)
            case ("view", name, *rest):
                return await self._view(ask, folder, name, tuple(rest))
        raise pages.not_found()

    async def _create_item(self, ask: Ask, folder: str) -> web.Response:
        ask.post_only()
        ask.need("Item.Create")
        name = self._new_name(ask, folder)
        place = f"{folder}/{name}" if folder else name
        if ask.form.get("mode") == "copy":
            source = self._store.item(ask.form.get("from", ""))
            if source is None:
                raise pages.rejected(f"No such job: {ask.form.get('from', '')}")
            self._store.add_item(place, source.xml, held=True)
            return moved(f"{self._path(ask, place)}configure")
        if ask.form.get("mode") == FOLDER:  # as python-jenkins makes one; not recorded
            self._store.add_item(place, as_posted(Element(FOLDER)))
            return moved(f"{self._path(ask, place)}configure")
        self._need_xml_type(ask)
        self._store.add_item(place, self._posted(await ask.request.read()))
        return empty(200)

    def _new_name(self, ask: Ask, folder: str) -> str:
        given = ask.form.get("name")
        if given is None:
            raise pages.rejected("Query parameter 'name' is required")
        name = given.strip()
        if not name:
            raise pages.rejected("No name is specified")
        if name in (".", ".."):
            raise pages.rejected(f"“{name}” is not an allowed name")
        for character in name:
            if character in _UNSAFE or not character.isprintable():
                raise pages.rejected(f"{quoted(character)} is an unsafe character")
        if name.endswith("."):
            raise pages.rejected(f"A name cannot end with {quoted('.')}")
        if self._store.item(f"{folder}/{name}" if folder else name):
            raise pages.rejected(f"A job already exists with the name {quoted(name)}")
        return name

    @staticmethod
    def _need_xml_type(ask: Ask) -> None:
        if "Content-Type" not in ask.request.headers:
            raise pages.rejected("No Content-Type header set")
        if ask.request.content_type not in _XML_TYPES:
            raise pages.rejected("No mode given")

    def _posted(self, body: bytes) -> str:
        """What is kept of a posted item. Raises `pages.Refused`."""
        try:
            root = JobConfig.of(body).root
        except XmlRefused:
            raise pages.oops() from None
        if self._controller.faults.active("jenkins.definition-changed"):
            for command in root.iter("command"):
                command.text = f"{command.text}\ntrue changed"
        return as_posted(root)

    # Views

    async def _create_view(self, ask: Ask, folder: str) -> web.Response:
        ask.post_only()
        ask.need("View.Create")
        name = ask.form.get("name", "").strip()
        if not name:
            raise pages.rejected("No name is specified")
        if name in self._store.views(folder):
            raise pages.rejected(f'A view already exists with the name "{name}"')
        self._need_xml_type(ask)
        await self._put_view(ask, folder, name)
        return empty(200)

    async def _put_view(self, ask: Ask, folder: str, name: str) -> None:
        try:
            root = parse(await ask.request.read())
        except XmlRefused:
            raise pages.oops() from None
        self._store.put_view(folder, name, saved_view(root))

    async def _view(
        self, ask: Ask, folder: str, name: str, rest: tuple[str, ...]
    ) -> web.StreamResponse:
        views = self._store.views(folder)
        if name not in views:
            raise pages.not_found()
        match rest, ask.method:
            case ("api", "json"), _:
                return ask.show(self._api.view(folder, name))
            case ("config.xml",), "GET":
                ask.need("View.Configure")
                return xml(views[name])
            case ("config.xml",), "POST":
                ask.need("View.Configure")
                await self._put_view(ask, folder, name)
                return empty(200)
            case ("doDelete",), _:
                ask.post_only()
                ask.need("View.Delete")
                self._store.delete_view(folder, name)
                return moved(self._path(ask, folder))
            case ("job", *_), _:
                return await self.in_folder(ask, folder, rest)
        raise pages.not_found()

    # Items

    async def _item(  # noqa: PLR0911, PLR0912 (a table of paths)
        self, ask: Ask, name: str, rest: tuple[str, ...]
    ) -> web.StreamResponse:
        row = self._store.item(name)
        if row is None:
            if ask.method == "DELETE":
                return empty(404)
            raise pages.not_found()
        config = JobConfig.of(row.xml)
        if not rest:
            return self._itself(ask, row)
        if rest[0] in ("job", "createItem", "createView", "view"):
            if not config.is_folder:
                raise pages.not_found()
            return await self.in_folder(ask, row.name, rest)
        match rest:
            case ("api", "json"):
                return ask.show(self._api.item(row))
            case ("config.xml",):
                return await self._config_xml(ask, row, config)
            case ("configure",):  # where a copy and a new folder lead to
                ask.need("Item.Configure")
                return pages.page(200, "<h1>Configure</h1><p>Not in the embedded Jenkins.</p>")
            case ("description",):
                return self._description(ask, row, config)
            case ("enable",) | ("disable",):
                return self._set_disabled(ask, row, config, disabled=rest[0] == "disable")
            case ("doDelete",):
                ask.post_only()
                return self._delete(ask, row)
        if config.is_folder:
            raise pages.not_found()
        match rest:
            case ("build",):
                return self._build(ask, row, config)
            case ("buildWithParameters",):
                return self._build_with_parameters(ask, row, config)
            case (number, *below):
                return await self._builds.on(ask, self._number(row, number), tuple(below))
        raise pages.not_found()

    def _number(self, row: ItemRow, text: str) -> tuple[str, int]:
        """A build's number, or what a permalink leads to: ``(job, number)``."""
        if fits := PERMALINKS.get(text):
            found = next((b.number for b in self._store.builds(row.name) if fits(b.result)), None)
            if found is not None:
                return row.name, found
        if text.isascii() and text.isdigit():
            return row.name, int(text)
        raise pages.not_found()

    def _itself(self, ask: Ask, row: ItemRow) -> web.Response:
        if not ask.slash:
            return moved(self._path(ask, row.name))
        if ask.method == "DELETE":
            self._delete(ask, row)
            return empty(204)
        return pages.page(200, f"<h1>{quote(row.name)}</h1>")

    def _delete(self, ask: Ask, row: ItemRow) -> web.Response:
        ask.need("Item.Delete")
        self._controller.forget(self._store.delete_item(row.name))
        return moved(self._path(ask, parent_of(row.name)))

    async def _config_xml(self, ask: Ask, row: ItemRow, config: JobConfig) -> web.Response:
        if ask.method == "HEAD":
            raise pages.jetty(400, "Bad Request", ask.uri)
        if ask.method not in ("GET", "POST"):
            return empty(400)
        ask.need("Item.Configure")
        if ask.method == "GET":
            return xml(self._shown(row))
        posted = self._posted(await ask.request.read())
        if JobConfig.of(posted).kind != config.kind:
            raise pages.oops()
        self._store.set_xml(row.name, posted)
        return empty(200)

    def _shown(self, row: ItemRow) -> str:
        """The configuration; with a fault, that of a job whose schedule somebody changed."""
        if self._controller.faults.active("jenkins.schedule-changed"):
            return _SCHEDULE.sub("<spec>H 5 * * 0</spec>", row.xml)
        return row.xml

    def _set_disabled(
        self, ask: Ask, row: ItemRow, config: JobConfig, *, disabled: bool
    ) -> web.Response:
        ask.post_only()
        ask.need("Item.Configure")
        if not config.is_folder and config.disabled != disabled:
            self._store.set_xml(row.name, saved(config.with_disabled(disabled), self._plugins))
        return moved(self._path(ask, row.name))

    def _description(self, ask: Ask, row: ItemRow, config: JobConfig) -> web.Response:
        if ask.method == "GET":
            return plain((config.description or "").encode())
        ask.post_only()
        ask.need("Item.Configure")
        root = config.with_description(ask.form.get("description", ""))
        self._store.set_xml(row.name, saved(root, self._plugins))
        return empty(204)

    # Triggers

    def _build(self, ask: Ask, row: ItemRow, config: JobConfig) -> web.Response:
        self._may_build(ask, row, config)
        if not config.parameters:
            number, _ = self._trigger(ask, row, config, (), parameterized=False)
            return empty(201, Location=self._queue_url(ask, number))
        if "json" not in ask.form:
            raise pages.jetty(400, "Nothing is submitted", ask.uri)
        self._trigger(ask, row, config, _from_json(config, ask.form["json"]), parameterized=True)
        return empty(201, Location=f"{_host(ask)}{self._path(ask, row.name)}")

    def _build_with_parameters(self, ask: Ask, row: ItemRow, config: JobConfig) -> web.Response:
        self._may_build(ask, row, config)
        if not config.parameters:
            name = row.name.rpartition("/")[2]
            raise pages.jetty(400, f"{name} is not parameterized", ask.uri)
        try:
            values = config.values(ask.form)
        except BadChoice:
            raise pages.oops() from None
        number, new = self._trigger(ask, row, config, values, parameterized=True)
        return empty(201 if new else 303, Location=self._queue_url(ask, number))

    def _may_build(self, ask: Ask, row: ItemRow, config: JobConfig) -> None:
        ask.post_only(triggers=True)
        ask.need("Item.Build")
        if config.disabled or row.held:
            raise pages.jetty(409, f"{row.name.rpartition('/')[2]} is not buildable", ask.uri)

    def _trigger(
        self,
        ask: Ask,
        row: ItemRow,
        config: JobConfig,
        values: tuple[Value, ...],
        *,
        parameterized: bool,
    ) -> tuple[int, bool]:
        item, new = self._controller.trigger(
            row.name,
            config,
            values,
            user=ask.caller.name,
            delay_s=ask.delay_s(),
            parameterized=parameterized,
        )
        return item.id, new

    @staticmethod
    def _queue_url(ask: Ask, number: int) -> str:
        return f"{_host(ask)}{ask.root}/queue/item/{number}/"

    @staticmethod
    def _path(ask: Ask, name: str) -> str:
        """The path of an item, from the server's root; of the top for ""."""
        return f"{ask.root}/" + "".join(f"job/{quote(p)}/" for p in name.split("/") if p)


def _host(ask: Ask) -> str:
    """Absolute places are built from the request's Host header, not from the configured URL."""
    return f"http://{ask.request.host}"


def _from_json(config: JobConfig, text: str) -> tuple[Value, ...]:
    """The values of ``/build``'s form field: those that it names, and no defaults."""
    known = {parameter.name: parameter for parameter in config.parameters}
    try:
        given = json.loads(text).get("parameter", [])
        listed = given if isinstance(given, list) else [given]
        return tuple(
            known[each["name"]].value(str(each["value"]).lower())
            if isinstance(each["value"], bool)
            else known[each["name"]].value(each["value"])
            for each in listed
        )
    except (ValueError, KeyError, TypeError, AttributeError):  # BadChoice is a ValueError
        raise pages.oops() from None
