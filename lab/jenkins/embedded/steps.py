"""Steps of a Jenkinsfile, taken apart: a name, arguments, and strings with ``${…}`` in them.

What is understood of Groovy: quoted strings, numbers, true and false, named arguments, and in
double quotes ``${params.NAME}``, ``${env.NAME}``, ``${currentBuild.NAME}``, each with an
optional ``?: 'default'``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lab.jenkins.jenkinsfile import JenkinsfileError

_CALL = re.compile(r"(?P<name>\w+)\s*(?:\((?P<inside>.*)\)|(?P<rest>.*))\s*$", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:(?P<key>\w+)\s*:\s*)?(?P<value>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\[[^\]]*\]|[\w.]+)\s*,?"""
)
_INTERPOLATED = re.compile(
    r"\$\{\s*(?P<scope>params|env|currentBuild)\.(?P<name>\w+)\s*(?:\?:\s*'(?P<default>[^']*)')?\s*\}"
)
_NAMED = re.compile(r"(?P<scope>params|env|currentBuild)\.(?P<name>\w+)(?P<default>(?!))?")
_ASSIGNMENT = re.compile(r"(?P<name>\w+)\s*=\s*(?P<value>.+)$")

#: What ``${SCOPE.NAME}`` stands for: scope → name → text.
Scopes = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Call:
    """``sh 'x'`` or ``junit testResults: "y"``: ``named`` has the first positional as ""."""

    name: str
    named: Mapping[str, str]

    def get(self, *names: str, default: str = "") -> str:
        """The first argument of these names; "" is the positional one."""
        return next((self.named[name] for name in names if name in self.named), default)


def call(text: str, scopes: Scopes) -> Call:
    """Take a step or a block's head apart. Raises `JenkinsfileError` for what is not understood."""
    matched = _CALL.match(text)
    if matched is None:
        raise JenkinsfileError(f"not understood: {text}")
    inside = matched["inside"] if matched["inside"] is not None else matched["rest"] or ""
    named: dict[str, str] = {}
    at = 0
    while at < len(inside.rstrip()):
        token = _TOKEN.match(inside, at)
        if token is None:
            raise JenkinsfileError(f"not understood: {text}")
        named[token["key"] or ""] = literal(token["value"], scopes)
        at = token.end()
    return Call(matched["name"], named)


def assignment(text: str, scopes: Scopes) -> tuple[str, str]:
    """``NAME = "value"`` of an environment block."""
    matched = _ASSIGNMENT.match(text)
    if matched is None:
        raise JenkinsfileError(f"not understood: {text}")
    return matched["name"], literal(matched["value"].strip(), scopes)


def literal(text: str, scopes: Scopes) -> str:
    """The text of a literal. Raises `JenkinsfileError` for an expression that is none."""
    if text[:1] == "'":
        return _unescaped(text[1:-1])
    if text[:1] != '"':
        named = _NAMED.fullmatch(text)
        return text if named is None else _value(named, scopes)
    inside = _INTERPOLATED.sub(lambda found: _value(found, scopes), text[1:-1])
    if "${" in inside:
        raise JenkinsfileError(f"not understood: {text}")
    return _unescaped(inside)


def _value(found: re.Match[str], scopes: Scopes) -> str:
    value = scopes[found["scope"]].get(found["name"], "")
    return value or found["default"] or ("null" if found["default"] is None else "")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text)
