"""docs/classroom.md tells how many recordings are in each class."""

from __future__ import annotations

import re

from lab.payload import ROOT
from tests.classroom_backend import exchanges, sequences
from tests.classroom_backend.test_client_recordings import RECORDED as CLIENTS


def test_the_page_has_these_numbers() -> None:
    rows = re.findall(
        r"^\| (\d+) (REST|conv|client)[^|]*\| (\d+)[^|]*\| (\d+) \| (\d+) \|$",
        (ROOT / "docs" / "classroom.md").read_text(),
        re.MULTILINE,
    )
    played = (
        *sequences.AT_ONCE, *sequences.IN_TIME, *sequences.PARTLY, *sequences.BY_A_TEST,
    )  # fmt: skip
    expected = [
        (exchanges.REPLAYED, exchanges.DIFFERENT, exchanges.NOT_EMULATED),
        (played, sequences.DIFFERENT, sequences.NOT_EMULATED),
        (sequences.WEBHOOKS, (), sequences.WEBHOOKS_NOT_EMULATED),
        (sequences.MEDIA_SERVER, (), ()),
        (CLIENTS, (), ()),
    ]
    counted = [[len(one) for one in classes] for classes in expected]
    assert [[int(number) for number in (row[0], *row[2:])] for row in rows] == [
        [sum(classes), *classes] for classes in counted
    ]
