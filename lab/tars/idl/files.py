"""Reads `.tars` files with those that they include."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lab.tars.idl.parser import Parser
from lab.tars.idl.syntax import Document, IdlError, Place

#: A `.tars` file is written by hand; the largest of the framework has 60 KiB.
_MAX_SIZE = 2**22


def read(path: Path | str, include: Iterable[Path | str] = ()) -> Document:
    """What ``path`` and the files that it includes define; raises `IdlError`.

    An included file is looked for beside the file that includes it, then in ``include``.
    """
    reader = _Reader([Path(directory) for directory in include])
    return reader.read(Path(path), Place(str(path), 1, 1))


def read_text(text: str, name: str = "<text>") -> Document:
    """What ``text`` defines; it includes files relative to the working directory."""
    reader = _Reader([])
    Parser(text, name, reader.document, reader.include).parse()
    return reader.document


class _Reader:
    def __init__(self, directories: list[Path]) -> None:
        self.document = Document()
        self._directories = directories
        self._seen: set[Path] = set()

    def read(self, path: Path, asked: Place) -> Document:
        self._seen.add(path.resolve())
        Parser(_text(path, asked), str(path), self.document, self.include).parse()
        return self.document

    def include(self, name: str, place: Place) -> tuple[str, str] | None:
        places = [Path(place.file).parent, *self._directories]
        path = next((at / name for at in places if (at / name).is_file()), None)
        if path is None:
            raise IdlError(
                place,
                "an included file is not there",
                found=name,
                expected="it in one of " + ", ".join(map(str, places)),
            )
        if path.resolve() == Path(place.file).resolve():
            raise IdlError(place, "a file includes itself")
        if path.resolve() in self._seen:
            return None
        self._seen.add(path.resolve())
        return _text(path, place), str(path)


def _text(path: Path, asked: Place) -> str:
    try:
        if path.stat().st_size > _MAX_SIZE:
            raise IdlError(asked, "a file is too large to be a `.tars` file", found=str(path))
        data = path.read_bytes()
    except OSError as error:
        raise IdlError(asked, "a file cannot be read", found=error.strerror or str(error)) from None
    # Comments may be in any encoding; strings are checked where they stand.
    return data.decode("utf-8-sig", "surrogateescape")
