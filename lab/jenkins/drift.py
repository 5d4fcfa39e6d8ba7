"""Compares a job as it is defined with the job as Jenkins has it, in meaning.

Jenkins writes a job's XML anew at every save: bytes always differ. What it does of its own
accord is told apart from what was lost and from what a person changed; what is known of it
stands in `lab.jenkins.drift_rules`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from lab.jenkins import drift_rules as rules
from lab.jenkins.config_xml import Element, parse
from lab.secrets import MASK

Kind = Literal["added_by_jenkins", "dropped_by_jenkins", "rewritten_by_jenkins", "changed"]
KINDS: tuple[Kind, ...] = (
    "added_by_jenkins",
    "dropped_by_jenkins",
    "rewritten_by_jenkins",
    "changed",
)
_BY_RUN = "a run took it from the Jenkinsfile"


@dataclass(frozen=True)
class Difference:
    """One place where the two differ.

    ``path`` goes down from the root element (``/publishers/…``, ``[name]`` or ``[2]`` where a
    tag stands there several times). ``rendered`` and ``saved`` are texts, the children's tags
    of an element that has some, or None where it is missing. ``matters``: the definition asked
    for something that is not there, or something is there that nobody defined.
    """

    kind: Kind
    path: str
    rendered: str | None
    saved: str | None
    why: str
    matters: bool = False


@dataclass(frozen=True)
class Drift:
    """All differences of a job."""

    differences: tuple[Difference, ...]

    def of(self, kind: Kind) -> tuple[Difference, ...]:
        return tuple(found for found in self.differences if found.kind == kind)

    @property
    def matters(self) -> bool:
        """Whether the job on Jenkins is another one than the one defined."""
        return any(found.matters for found in self.differences)


def compare(rendered: str, saved: str) -> Drift:
    """The differences between two config.xml texts. Raises `XmlRefused` for either."""
    ours, theirs = parse(rendered), parse(saved)
    comparison = _Comparison(theirs)
    comparison.walk(ours, theirs, _Place("", ours.tag))
    return Drift(tuple(comparison.found))


@dataclass(frozen=True)
class _Place:
    """Where the comparison is: ``by_run`` inside of what a run has written."""

    path: str
    tag: str
    by_run: bool = False

    def at(self, step: str, element: Element, *, by_run: bool) -> _Place:
        return _Place(f"{self.path}/{step}", element.tag, self.by_run or by_run)


class _Comparison:
    def __init__(self, saved: Element) -> None:
        self.found: list[Difference] = []
        self._run = _Run(saved)
        self._tags = {_tag(element) for element in _all(saved)}
        self._fingerprints: dict[int, Hashable] = {}

    def walk(self, ours: Element, theirs: Element, place: _Place) -> None:
        """Compare two elements that are the same thing."""
        if ours.tag != theirs.tag:
            self._note_tags(ours, theirs, place)
            if _tag(ours) != _tag(theirs):
                return
        self._attributes(ours, theirs, place)
        if not (ours.children or theirs.children) or ours.text.strip() or theirs.text.strip():
            self._text(ours, theirs, place)
        self._children(ours, theirs, place)

    def _note_tags(self, ours: Element, theirs: Element, place: _Place) -> None:
        if _tag(ours) == _tag(theirs):
            self._rewritten(place, ours.tag, theirs.tag, "the class has a new name")
        else:
            self._changed(place, ours.tag, theirs.tag, "it is of another type")

    def _attributes(self, ours: Element, theirs: Element, place: _Place) -> None:
        for name in sorted({*ours.attributes, *theirs.attributes}):
            old, new = ours.attributes.get(name), theirs.attributes.get(name)
            if old == new:
                continue
            at = _Place(f"{place.path}/@{name}", place.tag, place.by_run)
            if name == "plugin":
                self._rewritten(at, old, new, "Jenkins names the plugin and its version")
            elif name == "class" and _same_class(old, new):
                self._rewritten(at, old, new, "Jenkins names classes its own way")
            else:
                self._changed(at, old, new, "another value")

    def _text(self, ours: Element, theirs: Element, place: _Place) -> None:
        old, new = ours.text, theirs.text
        if old == new:
            return
        if rules.ENCRYPTED.fullmatch(new):
            why = "Jenkins keeps it encrypted; whether it is the same value cannot be told"
            self._rewritten(place, MASK, MASK, why)
        elif _plain(ours) == _plain(theirs):
            self._rewritten(place, old, new, "Jenkins writes the same value another way")
        elif _is_secret(place):
            self._changed(place, MASK, MASK, "another value")
        else:
            self._changed(place, old, new, "another value")

    def _children(self, ours: Element, theirs: Element, place: _Place) -> None:
        pairs: list[tuple[int, int]] = []
        for group in _groups(ours, theirs):
            matched, only_ours, only_theirs = self._pair_up(ours, theirs, group)
            several = len(group.ours) > 1 or len(group.theirs) > 1
            for i, j in matched:
                old, new = ours.children[i], theirs.children[j]
                below = place.at(
                    _step(new, group.theirs[j], several=several),
                    new,
                    by_run=self._run.wrote(new, place),
                )
                self.walk(old, new, below)
            for i in only_ours:
                gone = ours.children[i]
                step = _step(gone, group.ours[i], several=several)
                self._missing(gone, ours, theirs, place.at(step, gone, by_run=False))
            for j in only_theirs:
                extra = theirs.children[j]
                self._extra(extra, theirs, place, _step(extra, group.theirs[j], several=several))
            if several and not _is_sorted_by_jenkins(theirs, group.tag):
                self._order(matched, place)
            pairs += matched
        if ours.tag in rules.IN_ORDER:
            self._order(pairs, place)

    def _order(self, pairs: list[tuple[int, int]], place: _Place) -> None:
        positions = [j for _, j in sorted(pairs)]
        moved = Difference("changed", place.path or "/", None, None, "another order", matters=True)
        if positions != sorted(positions) and not place.by_run and moved not in self.found:
            self.found.append(moved)

    def _pair_up(
        self, ours: Element, theirs: Element, group: _Group
    ) -> tuple[list[tuple[int, int]], list[int], list[int]]:
        """Children of one tag that are the same thing: alike, else of one name, else in order."""
        pairs: list[tuple[int, int]] = []
        left, right = list(group.ours), list(group.theirs)
        if len(left) > 1 or len(right) > 1:
            for key in (self._fingerprint, _name):
                waiting: dict[Hashable, deque[int]] = defaultdict(deque)
                for j in right:
                    waiting[key(theirs.children[j])].append(j)
                for i in list(left):
                    wanted = key(ours.children[i])
                    if wanted is not None and waiting[wanted]:
                        pairs.append((i, waiting[wanted].popleft()))
                taken_left = {i for i, _ in pairs}
                taken_right = {j for _, j in pairs}
                left = [i for i in left if i not in taken_left]
                right = [j for j in right if j not in taken_right]
        both = min(len(left), len(right))
        pairs += zip(left, right, strict=False)
        return pairs, left[both:], right[both:]

    def _fingerprint(self, element: Element) -> Hashable:
        """Equal for elements that mean the same; what is unset does not count."""
        known = self._fingerprints.get(id(element))
        if known is None:
            kind = element.attributes.get("class", "")
            known = (
                _tag(element),
                "" if rules.COLLECTION_CLASS.fullmatch(kind) else rules.RENAMED.get(kind, kind),
                _plain(element),
                frozenset(
                    self._fingerprint(child)
                    for child in element.children
                    if not _is_unset(child, element)
                ),
            )
            self._fingerprints[id(element)] = known
        return known

    def _missing(self, gone: Element, ours: Element, theirs: Element, at: _Place) -> None:
        shown = _shown(gone, ours)
        field_ = (ours.tag, gone.tag)
        twin = theirs.find(rules.KEPT_ELSEWHERE.get(field_, ""))
        if _is_unset(gone, ours) or gone.text == rules.DROPPED_DEFAULTS.get(field_):
            why = "Jenkins does not keep what says nothing"
            self._note("dropped_by_jenkins", at, shown, None, why)
        elif twin is not None and twin.text == gone.text:
            self._note("dropped_by_jenkins", at, shown, None, "Jenkins keeps it in one place only")
        elif _is_entry(gone, ours) and (
            gone.tag in rules.NEVER_DROPPED or _tag(gone) in self._tags
        ):
            self._changed(at, shown, None, "somebody removed it: Jenkins knows its class")
        else:
            why = "it was asked for; Jenkins does not know it, or somebody cleared it"
            self._note("dropped_by_jenkins", at, shown, None, why, matters=True)

    def _extra(self, extra: Element, parent: Element, place: _Place, step: str) -> None:
        at = place.at(step, extra, by_run=self._run.wrote(extra, place))
        shown = _shown(extra, parent)
        default = rules.ADDED_DEFAULTS.get((parent.tag, extra.tag))
        if at.by_run:
            self._note("added_by_jenkins", at, None, shown, _BY_RUN)
        elif _is_unset(extra, parent):
            self._note("added_by_jenkins", at, None, shown, "Jenkins writes what is not set, too")
        elif default is not None and self._fingerprint(default) == self._fingerprint(extra):
            self._note("added_by_jenkins", at, None, shown, "Jenkins writes its default")
        else:
            self._changed(at, None, shown, "nobody defined it")

    def _rewritten(self, place: _Place, old: str | None, new: str | None, why: str) -> None:
        self._note("rewritten_by_jenkins", place, old, new, why)

    def _changed(self, place: _Place, old: str | None, new: str | None, why: str) -> None:
        if place.by_run:
            self._rewritten(place, old, new, _BY_RUN)
        else:
            self._note("changed", place, old, new, why, matters=True)

    def _note(
        self,
        kind: Kind,
        place: _Place,
        old: str | None,
        new: str | None,
        why: str,
        *,
        matters: bool = False,
    ) -> None:
        self.found.append(Difference(kind, place.path or "/", old, new, why, matters))


class _Run:
    """What the job's last declarative run says that it took from the Jenkinsfile."""

    def __init__(self, saved: Element) -> None:
        tracker = saved.find(f"actions/{rules.RUN_TRACKER}")
        self._properties = _strings(tracker, "jobProperties")
        self._triggers = _strings(tracker, "triggers")
        self._parameters = _strings(tracker, "parameters")

    def wrote(self, element: Element, parent: _Place) -> bool:
        """Whether a run wrote ``element``, which stands in ``parent``."""
        if parent.path == "/actions":
            return element.tag in (rules.RUN_ACTION, rules.RUN_TRACKER)
        if parent.path == "/properties":
            return element.tag in self._properties or self._is_filled_by_run(element)
        if parent.path == f"/properties/{rules.TRIGGERS_PROPERTY}/triggers":
            return element.tag in self._triggers
        if parent.path == f"/properties/{rules.PARAMETERS_PROPERTY}/parameterDefinitions":
            return _name(element) in self._parameters
        return False

    def _is_filled_by_run(self, element: Element) -> bool:
        """Whether all triggers, or all parameters, of a property came with a run."""
        triggers, parameters = element.child("triggers"), element.child("parameterDefinitions")
        if element.tag == rules.TRIGGERS_PROPERTY and triggers and triggers.children:
            return all(trigger.tag in self._triggers for trigger in triggers.children)
        if element.tag == rules.PARAMETERS_PROPERTY and parameters and parameters.children:
            return all(_name(parameter) in self._parameters for parameter in parameters.children)
        return False


@dataclass(frozen=True)
class _Group:
    """The children of one tag on both sides: their places, and which of the tag they are (1 …)."""

    tag: str
    ours: dict[int, int] = field(default_factory=dict)
    theirs: dict[int, int] = field(default_factory=dict)


def _groups(ours: Element, theirs: Element) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for element, is_ours in ((ours, True), (theirs, False)):
        for place, child in enumerate(element.children):
            tag = _tag(child)
            group = groups.setdefault(tag, _Group(tag))
            side = group.ours if is_ours else group.theirs
            side[place] = len(side) + 1
    return list(groups.values())


def _all(element: Element) -> Iterator[Element]:
    yield element
    for child in element.children:
        yield from _all(child)


def _tag(element: Element) -> str:
    return rules.RENAMED.get(element.tag, element.tag)


def _name(element: Element) -> str | None:
    named = element.child("name")
    return named.text if named else None


def _strings(element: Element | None, tag: str) -> frozenset[str]:
    listed = element.child(tag) if element else None
    return frozenset(child.text for child in listed.children) if listed else frozenset()


def _step(element: Element, rank: int, *, several: bool) -> str:
    if not several:
        return element.tag
    return f"{element.tag}[{_name(element) or rank}]"


def _plain(element: Element) -> str:
    """The text without what Jenkins changes in the way it is written."""
    text = element.text.replace(rules.MANAGED, "").replace("\r\n", "\n")
    if element.tag not in rules.FREE_TEXT and rules.FLOAT.fullmatch(text):
        return text.removesuffix(".0")
    return text


def _same_class(old: str | None, new: str | None) -> bool:
    """Whether two ``class`` attributes name the same thing; None where there is none."""
    if old is None:
        return True  # Jenkins names a class where the field's own type is a general one
    if new is None:
        return bool(rules.COLLECTION_CLASS.fullmatch(old))
    both_lists = rules.COLLECTION_CLASS.fullmatch(old) and rules.COLLECTION_CLASS.fullmatch(new)
    return bool(both_lists) or rules.RENAMED.get(old, old) == rules.RENAMED.get(new, new)


def _is_entry(element: Element, parent: Element) -> bool:
    """Whether somebody put it there: a list's entry or value, an element named for a class."""
    return parent.tag in rules.ENTRIES or element.tag in rules.VALUES or "." in element.tag


def _is_unset(element: Element, parent: Element) -> bool:
    """Whether the element says nothing: empty, false or zero, or made of such."""
    kind = element.attributes.get("class", "")
    if (
        _is_entry(element, parent)
        or "reference" in element.attributes
        or (kind and kind not in rules.UNSET_CLASSES and not rules.COLLECTION_CLASS.fullmatch(kind))
    ):
        return False
    if element.text.strip() not in rules.UNSET:
        return False
    return all(_is_unset(child, element) for child in element.children)


def _is_sorted_by_jenkins(parent: Element, tag: str) -> bool:
    return tag in rules.SORTED_BY_JENKINS or parent.child("comparator") is not None


def _is_secret(place: _Place) -> bool:
    parent = place.path.split("/")[-2].split("[")[0] if "/" in place.path else ""
    field = (parent, place.tag)
    return field in rules.SECRET_FIELDS or bool(rules.SECRET_TAG.search(place.tag))


def _shown(element: Element, parent: Element) -> str:
    """An element in one line; a secret's text and a subtree's texts are not shown."""
    if element.children:
        return f"<{', '.join(child.tag for child in element.children)}>"
    is_secret = (parent.tag, element.tag) in rules.SECRET_FIELDS
    return MASK if is_secret or rules.SECRET_TAG.search(element.tag) else element.text
