"""What travels to hosts with a module: all that it imports of the suite, and no more."""

from __future__ import annotations

from pathlib import Path

from lab.modules import with_imports


def test_imports_are_followed_but_for_those_that_may_never_be_made(tmp_path: Path) -> None:
    sources = {
        "lab/__init__.py": "",
        "lab/a.py": "from typing import TYPE_CHECKING\nimport json\nfrom lab.room import b\n"
        "from lab.room.c import thing\nif TYPE_CHECKING:\n    import lab.typed\n",
        "lab/room/__init__.py": "",
        "lab/room/b.py": "import lab.a\n\ndef late():\n    import lab.late\n",
        "lab/room/c.py": "thing = 1\n",
        "lab/typed.py": "",
        "lab/late.py": "",
        "lab/data.txt": "import lab.late",
    }
    for name, text in sources.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = with_imports([tmp_path / "lab/a.py", tmp_path / "lab/data.txt"], tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "lab/__init__.py",
        "lab/a.py",
        "lab/data.txt",
        "lab/room/__init__.py",
        "lab/room/b.py",
        "lab/room/c.py",
    ]
