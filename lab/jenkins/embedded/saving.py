"""A job's config.xml after Jenkins has saved it: reordered, completed, and without strangers."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from blueprints.guarded_xml import parse
from lab.jenkins.embedded.shapes import FOLDER, SHAPES, Shape
from lab.jenkins.embedded.xmltree import indented

_PROLOG = "<?xml version='1.1' encoding='UTF-8'?>"

_FOLDER_VIEWS = parse(
    f"""<folderViews class="com.cloudbees.hudson.plugins.folder.views.DefaultFolderViewHolder">
<views><hudson.model.AllView><owner class="{FOLDER}" reference="../../../.."/><name>All</name>
<filterExecutors>false</filterExecutors><filterQueue>false</filterQueue>
<properties class="hudson.model.View$PropertyList"/></hudson.model.AllView></views>
<tabBar class="hudson.views.DefaultViewsTabBar"/></folderViews>""".encode()
)
#: Fields with a class that Jenkins adds when it saves them.
_CLASSES = {"logRotator": "hudson.tasks.LogRotator"}


def saved(root: Element, plugins: Mapping[str, str]) -> str:
    """The text of a saved job. ``plugins``: name → version of those that are there."""
    return indented(_object(root, SHAPES[root.tag], plugins), prolog=_PROLOG)


def saved_view(root: Element) -> str:
    """The text of a view, which is shown as it was posted, but written anew."""
    return indented(_kept(root), prolog='<?xml version="1.1" encoding="UTF-8"?>')


def _object(element: Element, shape: Shape, plugins: Mapping[str, str]) -> Element:
    found = Element(shape.renamed or element.tag)
    if declared := element.get("class") or _CLASSES.get(element.tag):
        found.set("class", declared)
    if shape.plugin:
        found.set("plugin", f"{shape.plugin}@{plugins[shape.plugin]}")
    if shape.fields is None:
        found.extend(_kept(element))
        return found
    for field in shape.fields.split():
        name, default, kind = _read(field)
        child = element.find(name)
        if child is not None:
            kept = _field(child, kind, plugins)
        elif default is not None:
            kept = _added(name, default)
        else:
            kept = None
        if kept is not None:
            found.append(kept)
    return found


def _read(field: str) -> tuple[str, str | None, str]:
    name, equals, default = field.partition("=")
    kind = name[-1] if name[-1] in "*@~%!" else ""
    return name.removesuffix(kind) if kind else name, default if equals else None, kind


def _field(child: Element, kind: str, plugins: Mapping[str, str]) -> Element | None:
    if kind == "~":
        return _kept(child)
    if kind == "@":
        shape = SHAPES.get(child.get("class") or _CLASSES.get(child.tag) or child.tag)
        return None if shape is None else _object(child, shape, plugins)
    found = Element(child.tag)
    if kind == "*":
        known = [(each, SHAPES.get(each.tag)) for each in child]
        found.extend([_object(each, shape, plugins) for each, shape in known if shape])
        return found
    text = child.text or ""
    if kind == "%":
        text = str(float(text or 0))
    if kind == "!":
        text = _encrypted(text)
    found.text = text
    return found


def _added(name: str, default: str) -> Element:
    if name == "folderViews":
        return _kept(_FOLDER_VIEWS)
    added = Element(name)
    added.text = default or None
    return added


def _kept(element: Element) -> Element:
    """A copy without the white space between elements."""
    copy = Element(element.tag, dict(element.attrib))
    copy.text = None if len(element) else element.text or None
    copy.extend([_kept(child) for child in element])
    return copy


def _encrypted(text: str) -> str:
    """What stands for a secret. Nobody can decrypt it: the embedded Jenkins need not either."""
    if text.startswith("{AQAA"):
        return text
    return "{AQAAABAAAAAQ" + base64.b64encode(secrets.token_bytes(32)).decode() + "}"
