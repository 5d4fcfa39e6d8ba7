"""A job's parameters as it declares them, and the values for one build.

Jenkins drops a parameter that is not declared without a word, takes any text for a boolean,
and answers 500 without a reason to a choice that there is none of (recorded: bwp-*). So all
this is checked before anything is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blueprints.errors import ConfigError, nearest


@dataclass(frozen=True)
class Parameter:
    """``choices`` is empty where any text will do."""

    name: str
    choices: tuple[str, ...] = ()


def declared_by(job: Mapping[str, Any]) -> dict[str, Parameter]:
    """By name, from a job's ``property[parameterDefinitions[name,type,choices]]``."""
    definitions = [
        definition
        for property_ in job.get("property", [])
        for definition in property_.get("parameterDefinitions", [])
    ]
    return {d["name"]: Parameter(d["name"], _choices(d)) for d in definitions}


def _choices(definition: Mapping[str, Any]) -> tuple[str, ...]:
    if definition.get("type") == "BooleanParameterDefinition":
        return ("true", "false")
    return tuple(definition.get("choices") or ())


def check(job: str, declared: Mapping[str, Parameter], given: Mapping[str, str]) -> None:
    """Raise `ConfigError` for a value that Jenkins would drop, bend or refuse."""
    if given and not declared:
        raise ConfigError(
            f"{job} has no parameters; those of a Jenkinsfile are known after its first run only"
        )
    for name, value in given.items():
        parameter = declared.get(name)
        if parameter is None:
            raise ConfigError(f"{job} has no parameter {name}; {nearest(name, declared)}")
        if parameter.choices and value not in parameter.choices:
            choices = nearest(value, parameter.choices)
            raise ConfigError(f"{job}: {name} cannot be {value!r}; {choices}")


def fits(actions: list[Mapping[str, Any]], given: Mapping[str, str]) -> bool:
    """Whether a queue item or a build was asked for with these values.

    ``actions``: its API data, with ``parameters[name,value]``. A password has no value there.
    """
    found = {
        parameter["name"]: parameter.get("value")
        for action in actions
        for parameter in action.get("parameters", [])
    }
    return all(name in found and _same(found[name], value) for name, value in given.items())


def _same(found: Any, value: str) -> bool:
    if found is None:
        return True
    if isinstance(found, bool):
        return str(found).lower() == value
    return str(found) == value
