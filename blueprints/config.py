"""Configuration files: YAML that becomes a frozen, validated model, or one clear error.

Every error names the file, line and column, what was found there and what was expected.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from blueprints.errors import ConfigError, Unshown, nearest


class Model(BaseModel):
    """Base of all configuration models: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


M = TypeVar("M", bound=Model)
Path_ = tuple[str | int, ...]

#: Values of a file at most, and how deep they may stand in each other; people write these.
MOST_VALUES = 50_000
LEVELS = 64


#: libyaml's, where PyYAML was built with it: ten times as quick, with the same places.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def composed(text: str) -> yaml.Node | None:
    """A YAML document as nodes, None when it is empty; raises `yaml.YAMLError`.

    Nothing in it is nested deeper than `LEVELS`: composers call themselves for each level.
    """
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > LEVELS:
                says = f"nested deeper than {LEVELS} levels"
                mark: Any = event.start_mark  # libyaml's, in form the same
                raise yaml.composer.ComposerError(None, None, says, mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return yaml.compose(text, Loader=LOADER)


def constructed(text: str) -> Any:
    """A YAML document's values, by `composed`; None when it is empty."""
    node = composed(text)
    return None if node is None else yaml.SafeLoader("").construct_document(node)


class Document:
    """A parsed YAML file that knows where each of its values stands."""

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"{file}: byte {error.start + 1} is not UTF-8") from None
        self._marks: dict[Path_, tuple[int, int]] = {}
        self._scalars = yaml.SafeLoader("")
        try:
            node = composed(text)
            self.data: Any = self._read(node, ()) if node is not None else {}
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
            raise ConfigError(f"{file}{where}: not valid YAML: {error.problem}") from None
        except yaml.YAMLError as error:  # a character that YAML does not allow
            says = " ".join(str(error).split())
            raise ConfigError(f"{file}: not valid YAML: {says}") from None
        except RecursionError:
            raise ConfigError(f"{file}: an alias within what it names") from None

    def _read(self, node: yaml.Node, path: Path_) -> Any:
        self._marks[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if len(self._marks) > MOST_VALUES:  # an alias counts as what it stands for
            raise ConfigError(f"{self.file}: more than {MOST_VALUES} values")
        if isinstance(node, yaml.MappingNode):
            found: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = str(key_node.value)
                at = (*path, key)
                if key in found:
                    mark = key_node.start_mark
                    raise ConfigError(
                        f"{self.file}:{mark.line + 1}:{mark.column + 1}: "
                        f"{key!r} stands here a second time"
                    )
                found[key] = self._read(value_node, at)
                self._marks[at] = (
                    key_node.start_mark.line + 1,
                    key_node.start_mark.column + 1,
                )
            return found
        if isinstance(node, yaml.SequenceNode):
            return [self._read(item, (*path, i)) for i, item in enumerate(node.value)]
        try:
            return self._scalars.construct_object(node)
        except (ValueError, OverflowError, LookupError, AttributeError, TypeError):
            # So yaml says that a tag cannot have such a value: `!!int ""`, `2026-13-01`.
            kind = node.tag.rpartition(":")[2]
            raise self.error(*path, says=f"what stands here is no {kind}") from None

    def where(self, *path: str | int) -> str:
        """``file:line:column`` of a value, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if mark := self._marks.get(path[:length]):
                return f"{self.file}:{mark[0]}:{mark[1]}"
        return str(self.file)

    def error(self, *path: str | int, says: str) -> ConfigError:
        return ConfigError(f"{self.where(*path)}: {says}")

    def load(self, model: type[M]) -> M:
        """Validate the document; raises `ConfigError` for its first fault."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            # An unknown key is most often a misspelt one, and explains the one that is missing.
            first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
            raise self.error(*first["loc"], says=_sentence(model, first)) from None


def _sentence(model: type[BaseModel], error: Any) -> str:
    path = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        known = _known_keys(model, error["loc"][:-1])
        return f"unknown key {error['loc'][-1]!r}; {nearest(str(error['loc'][-1]), known)}"
    if error["type"] == "missing":
        return f"{path} is missing"
    message = error["msg"].removeprefix("Value error, ")
    refusal = error.get("ctx", {}).get("error")
    found = None if isinstance(refusal, Unshown) else error.get("input")
    shown = f"; found {found!r}" if isinstance(found, str | int | float | bool) else ""
    return f"{path}: {message[0].lower()}{message[1:]}{shown}" if path else message


def _known_keys(model: Any, path: Path_) -> list[str]:
    """Keys that the model at ``path`` knows; empty where that is not a model."""
    for part in path:
        if _is_model(model):
            field = model.model_fields.get(str(part))
            model = field.annotation if field else None
        else:  # inside a list or a mapping: the type of its values
            arguments = [a for a in get_args(model) if a is not Ellipsis]
            model = arguments[-1] if arguments else None
    candidates = [model, *get_args(model)]  # the arguments: of "Model | None"
    return next((list(m.model_fields) for m in candidates if _is_model(m)), [])


def _is_model(candidate: Any) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, BaseModel)
