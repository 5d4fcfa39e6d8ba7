"""The shape of a declarative Jenkinsfile: its blocks, and what they call, with line numbers.

tree-sitter reads it, with the grammar of Groovy; nothing is executed.
"""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

_COMMENTS = ("line_comment", "block_comment")
_QUOTED = "character_literal"  # so the grammar calls what stands in single quotes


class JenkinsfileError(ValueError):
    """No Groovy, or no pipeline; the text has the line's number."""


@dataclass(frozen=True)
class Statement:
    """A block, a step, an assignment, or logic: ``stage('a') { … }``, ``sh 'x'``, ``A = 'b'``.

    ``name``: what is called or assigned to, or the first word; ``text``: all but the body;
    ``quoted``: its one argument, when that is a text in single quotes; ``body``: None when
    it is no block. ``logic``: it is none of what a declarative pipeline is made of.
    """

    name: str
    text: str
    line: int
    quoted: str | None = None
    body: tuple[Statement, ...] | None = None
    logic: bool = False

    @property
    def blocks(self) -> list[Statement]:
        return [each for each in self.body or () if each.body is not None]

    @property
    def steps(self) -> list[Statement]:
        return [each for each in self.body or () if each.body is None]

    def block(self, *names: str) -> Statement | None:
        """The block that is reached by going down through ``names``, if there is one."""
        found: Statement | None = self
        for name in names:
            found = next((b for b in found.blocks if b.name == name), None) if found else None
        return found

    def step(self, name: str) -> Statement | None:
        """The first step of that name that stands here, if there is one."""
        return next((step for step in self.steps if step.name == name), None)

    def walk(self) -> Iterator[tuple[Statement, ...]]:
        """This and every statement below, each with all that it lies in, outermost first."""
        yield (self,)
        for each in self.body or ():
            for path in each.walk():
                yield (self, *path)

    def commands(self) -> list[list[str]]:
        """The words of every ``sh`` step here and below that has a text in single quotes.

        Raises `JenkinsfileError` for one that no shell would take.
        """
        below = (path[-1] for path in self.walk())
        return [_words(s) for s in below if s.name == "sh" and s.quoted is not None]


def _words(step: Statement) -> list[str]:
    try:
        return shlex.split(step.quoted or "")
    except ValueError as error:
        raise JenkinsfileError(f"line {step.line}: no shell takes this: {error}") from None


def parse(text: str) -> Statement:
    """The ``pipeline`` block of a Jenkinsfile. Raises `JenkinsfileError`."""
    import tree_sitter_groovy
    from tree_sitter import Language, Parser

    root = Parser(Language(tree_sitter_groovy.language())).parse(text.encode()).root_node
    if root.has_error:
        raise JenkinsfileError(f"line {_line_of_error(root)}: this is no Groovy, or not closed")
    found = _statements(root)
    if len(found) != 1 or found[0].name != "pipeline" or found[0].body is None:
        raise JenkinsfileError("there must be one pipeline block, and nothing beside it")
    return found[0]


def _line_of_error(root: Node) -> int:
    """Of an error that spans many lines, the last that was understood."""
    nodes = [root]
    while not (node := nodes.pop()).is_error and not node.is_missing:
        nodes += reversed(node.children)
    return _line(node.named_children[-1] if node.named_children else node)


def _line(node: Node) -> int:
    return node.start_point.row + 1


def _statements(body: Node) -> tuple[Statement, ...]:
    found = tuple(_statement(node) for node in body.named_children if node.type not in _COMMENTS)
    for before, after in pairwise(found):
        if before.line == after.line:
            raise JenkinsfileError(f"line {after.line}: more than one block or step")
    return found


def _statement(node: Node) -> Statement:
    line = _line(node)
    if node.type == "expression_statement" and node.named_children:
        node = node.named_children[0]
    text = _text(node)
    match node.type:
        case "method_invocation" if node.child_by_field_name("object") is None:
            body = node.child_by_field_name("body")
            if body is None:
                return _call(node, "arguments", text, line)
            head = (node.text or b"")[: body.start_byte - node.start_byte].decode().rstrip()
            return _call(node, "arguments", head, line, _statements(body))
        case "juxt_function_call":
            return _call(node, "args", text, line)
        case "assignment_expression":
            return Statement(_text(node.child_by_field_name("left")), text, line)
        case "local_variable_declaration" if _is_plain(node):  # what `agent none` looks like
            return Statement(text.split()[0], text, line)
    return Statement(text.split(maxsplit=1)[0], text, line, body=(), logic=True)


def _call(
    node: Node, arguments: str, text: str, line: int, body: tuple[Statement, ...] | None = None
) -> Statement:
    given = node.child_by_field_name(arguments)
    values = given.named_children if given is not None else []
    quoted = None
    if len(values) == 1 and values[0].type == _QUOTED:
        try:
            quoted = ast.literal_eval(_text(values[0]))  # Groovy's escapes are Python's here
        except (SyntaxError, ValueError):  # the grammar takes one with a carriage return in it
            raise JenkinsfileError(f"line {line}: a text in quotes has no end") from None
    return Statement(_text(node.child_by_field_name("name")), text, line, quoted, body)


def _is_plain(declaration: Node) -> bool:
    """``agent none``, without ``def`` and without a value."""
    declarator = declaration.child_by_field_name("declarator")
    return (
        declaration.child_by_field_name("type") is not None
        and declarator is not None
        and declarator.child_by_field_name("value") is None
    )


def _text(node: Node | None) -> str:
    return "" if node is None or node.text is None else node.text.decode().strip()
