"""Reads a declarative Jenkinsfile that keeps to one block a line: for its checks, and to run it.

It is no Groovy parser. A line opens a block, closes one, or is a step; anything else is
refused, and so is logic that the suite does not want in a Jenkinsfile.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

_STRING = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_SH = re.compile(r"^sh (['\"])(?P<script>.*)\1$")


class JenkinsfileError(ValueError):
    """A line that does not fit; the text has its number."""


@dataclass
class Block:
    """``head { … }``: what it holds, in order; a step is its line. ``line``: where it begins."""

    head: str
    line: int
    body: list[Block | str] = field(default_factory=list)

    @property
    def blocks(self) -> list[Block]:
        return [each for each in self.body if isinstance(each, Block)]

    @property
    def steps(self) -> list[str]:
        return [each for each in self.body if isinstance(each, str)]

    @property
    def name(self) -> str:
        """The head's first word: ``stage`` of ``stage('deploy')``."""
        return re.split(r"\W", self.head, maxsplit=1)[0]

    def block(self, *names: str) -> Block | None:
        """The block that is reached by going down through ``names``, if there is one."""
        found: Block | None = self
        for name in names:
            found = next((b for b in found.blocks if b.name == name), None) if found else None
        return found

    def walk(self) -> Iterator[tuple[Block, ...]]:
        """Every block below this one, each with all that it lies in, outermost first."""
        yield (self,)
        for block in self.blocks:
            for path in block.walk():
                yield (self, *path)

    def has_step(self, name: str) -> bool:
        """Whether a step of that name stands here or in a block below."""
        return any(step.startswith((f"{name} ", f"{name}(")) for step in self._all_steps())

    def commands(self) -> list[list[str]]:
        """The words of every ``sh`` step here and below."""
        return [
            shlex.split(match["script"]) for step in self._all_steps() if (match := _SH.match(step))
        ]

    def _all_steps(self) -> list[str]:
        return [step for path in self.walk() for step in path[-1].steps]


def parse(text: str) -> Block:
    """The ``pipeline`` block of a Jenkinsfile. Raises `JenkinsfileError`."""
    root = Block("", 0)
    open_blocks = [root]
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("//"):
            continue
        outside_strings = _STRING.sub("''", line)
        if line == "}":
            if len(open_blocks) == 1:
                raise JenkinsfileError(f"line {number}: closes a block that was not opened")
            open_blocks.pop()
        elif outside_strings.endswith("{") and not re.search(r"[{}]", outside_strings[:-1]):
            block = Block(line[:-1].strip(), number)
            open_blocks[-1].body.append(block)
            open_blocks.append(block)
        elif re.search(r"[{};'\"]", outside_strings.replace("''", "")):
            raise JenkinsfileError(f"line {number}: more than one block or step: {line}")
        else:
            open_blocks[-1].body.append(line)
    if len(open_blocks) > 1:
        raise JenkinsfileError(f"line {open_blocks[-1].line}: this block is not closed")
    if [block.head for block in root.blocks] != ["pipeline"] or root.steps:
        raise JenkinsfileError("there must be one pipeline block, and nothing beside it")
    return root.blocks[0]
