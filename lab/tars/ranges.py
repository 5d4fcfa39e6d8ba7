"""The ranges that tarsio does not check when a struct is made: of items of lists and maps, and
of a generic struct's members."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import Any, get_args, get_origin

from tarsio import Struct

from lab.tars.schema import bare_type, is_class, is_filled, limits, members, parts_of

_Check = Callable[[Any], None]


def check_items(annotation: Any, value: Any) -> None:
    """Raises ValueError when an item of a list or map is out of its type's range."""
    if value is not None and (check := _item_check(annotation)) is not None:
        check(value)


@cache
def _item_check(annotation: Any) -> _Check | None:
    bare = bare_type(annotation)
    if is_class(bare, Struct):
        return _check_members if _holds_ranges(bare) else None
    if get_origin(bare) is list:
        return _every(get_args(bare)[0])
    if get_origin(bare) is dict:
        keys, values = map(_every, get_args(bare))
        return _both(keys, values) if keys or values else None
    return None


def _holds_ranges(kind: type[Struct]) -> bool:
    """Whether something in it has a range that tarsio leaves unchecked."""
    return any(
        any(map(limits, get_args(bare_type(part)))) or (is_class(part, Struct) and is_filled(part))
        for part in parts_of(kind, set())
    )


def _check_members(value: Struct) -> None:
    for name, check in _member_checks(type(value)):
        if (member := getattr(value, name)) is not None:
            check(member)


@cache
def _member_checks(kind: type[Struct]) -> tuple[tuple[str, _Check], ...]:
    checks = [(name, _item_check(of)) for _, name, of in members(kind)]
    if is_filled(kind):
        alone = ((name, limits(of)) for _, name, of in members(kind))
        checks += [(name, _single(bounds)) for name, bounds in alone if bounds]
    return tuple((name, check) for name, check in checks if check)


def _single(bounds: tuple[float, float]) -> _Check:
    within = _within(bounds)
    return lambda value: within((value,))


def _within(bounds: tuple[float, float]) -> Callable[[Collection[Any]], None]:
    low, high = bounds

    def check(items: Collection[Any]) -> None:
        if items and not (low <= min(items) and max(items) <= high):
            wrong = next(item for item in items if not low <= item <= high)
            raise ValueError(f"{wrong} is out of range: {low:.0f} to {high:.0f}")

    return check


def _every(item: Any) -> Callable[[Collection[Any]], None] | None:
    if (bounds := limits(item)) is not None:
        return _within(bounds)
    if (inner := _item_check(item)) is None:
        return None

    def check(items: Collection[Any]) -> None:
        for one in items:
            inner(one)

    return check


def _both(keys: _Check | None, values: _Check | None) -> _Check:
    def check(items: dict[Any, Any]) -> None:
        if keys:
            keys(items.keys())
        if values:
            values(items.values())

    return check
