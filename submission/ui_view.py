"""A results tree as Akraino's validation UI reads it.

The UI turns output.xml into JSON (org.json's ``XML.toJSONObject``) and binds that to a few
classes, unknown properties ignored, single values taken for lists. What does not bind is
lost there without a word, so it is looked for here, before anything is uploaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from blueprints.documents import parse_xml
from blueprints.errors import Unacceptable
from submission.untrusted import parse_yaml

#: Layers whose name contains one of these, and blueprints of these names, are ignored.
IGNORED_IN_LAYERS = ("test", "service", "home")
IGNORED_BLUEPRINTS = ("family", "ta", "job")
ALL_TESTS = "All Tests"


@dataclass(frozen=True)
class Shown:
    """One test directory as the UI shows it. ``tests``: name → status, in order."""

    tests: tuple[tuple[str, str], ...]
    passed: int
    failed: int
    skipped: int

    @property
    def total(self) -> int:
        return self.passed + self.failed + self.skipped


@dataclass(frozen=True)
class View:
    """A whole timestamp. ``verdict`` as the UI decides it: no test failed, skips and
    nothing at all included. ``layer`` and ``optional`` are None without test_info.yaml."""

    suites: Mapping[str, Shown] = field(default_factory=dict)
    layer: str | None = None
    optional: bool | None = None

    @property
    def verdict(self) -> bool:
        return all(shown.failed == 0 for shown in self.suites.values())


def view(files: Mapping[str, bytes]) -> View:
    """The view of ``results/…``; raises `Unacceptable` for what the UI could not show."""
    suites = {}
    layer = optional = None
    for name, data in files.items():
        parts = name.split("/")
        if parts[-1] == "output.xml" and len(parts) == 4:
            try:
                suites["/".join(parts[1:3])] = shown(data)
            except Unacceptable as error:
                raise Unacceptable(f"{name}: {error}") from None
        elif name == "results/test_info.yaml":
            layer, optional = test_info(data)
    return View(suites, layer, optional)


def test_info(data: bytes) -> tuple[str, bool]:
    """``test_info.yaml``: the layer (``all``, or one) and whether optional tests ran."""
    content = parse_yaml(data)
    info = content.get("test_info") if isinstance(content, dict) else None
    if not isinstance(info, dict):
        raise Unacceptable("test_info.yaml has no mapping test_info")
    layer, optional = info.get("layer"), info.get("optional")
    if not isinstance(layer, str) or not layer:
        raise Unacceptable("test_info.yaml names no layer: the UI breaks on it")
    if not isinstance(optional, bool):
        raise Unacceptable("test_info.yaml does not say true or false for optional")
    return layer, optional


def shown(output_xml: bytes) -> Shown:
    """One ``output.xml``; raises `Unacceptable`."""
    root = parse_xml(output_xml)
    if root.tag != "robot":
        raise Unacceptable(f"its root is <{root.tag}>, not <robot>")
    robot = _json(root)
    if not isinstance(robot, dict):
        raise Unacceptable("it is empty")
    if not isinstance(robot.get("errors", ""), str):
        raise Unacceptable("its <errors> has messages: the UI drops the suite without a word")
    return Shown(tuple(_tests(robot)), *_total(robot))


def _tests(robot: dict[str, Any]) -> list[tuple[str, str]]:
    top = robot.get("suite")
    if not isinstance(top, dict):
        raise Unacceptable("it does not have exactly one root suite")
    inner = top.get("suite")
    if isinstance(inner, list):
        raise Unacceptable("it has several suite files: the UI loses the whole timestamp")
    if not isinstance(inner, dict) or "test" in top:
        raise Unacceptable("no suite file in a directory: the UI shows counts but no tests")
    if "suite" in inner:
        raise Unacceptable("suites nested deeper than one: the UI shows counts but no tests")
    tests = inner.get("test", [])
    found = []
    for test in tests if isinstance(tests, list) else [tests]:
        status = test.get("status") if isinstance(test, dict) else None
        if not isinstance(status, dict) or not isinstance(test.get("name"), str):
            raise Unacceptable("it has a test without name or status")
        found.append((test["name"], str(status.get("status"))))
    return found


def _total(robot: dict[str, Any]) -> tuple[int, int, int]:
    try:
        stats = robot["statistics"]["total"]["stat"]
        for stat in stats if isinstance(stats, list) else [stats]:
            if str(stat["content"]).strip() == ALL_TESTS:
                passed, failed, skipped = (
                    int(stat.get(word, 0)) for word in ("pass", "fail", "skip")
                )
                if min(passed, failed, skipped) >= 0:
                    return passed, failed, skipped
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    raise Unacceptable(f"its statistics have no total {ALL_TESTS!r}")


def _json(element: ElementTree.Element) -> Any:
    """An element as org.json reads it: a mapping of attributes and children (one of a kind
    as it is, several as a list), text under "content"; a string where there is only text."""
    found: dict[str, Any] = dict(element.attrib)
    text = element.text or ""
    for child in element:
        _accumulate(found, child.tag, _json(child))
        text += child.tail or ""
    if not text.strip():
        return found or ""
    if not found:
        return text.strip()
    _accumulate(found, "content", text.strip())
    return found


def _accumulate(found: dict[str, Any], key: str, value: Any) -> None:
    if key not in found:
        found[key] = value
    elif isinstance(found[key], list):
        found[key].append(value)
    else:
        found[key] = [found[key], value]
