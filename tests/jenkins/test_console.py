"""A log in pieces is the log as a whole: held to recorded logs, cut everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.jenkins.console import ConsoleLog, PieceCutOff
from tests.jenkins.replay import conversation, exchange

LOGS = [
    "run-success",
    "run-unstable",
    "pipeline-stop",
    "pipeline-fail-post",
    "pipeline-broken",
    "pipeline-missing-file",
    "pipeline-scm-success",
    "pipeline-scm-parameters",
]
NOTE = b"\x1b[8mha:////4G0W3QQL2PflCnERP0dP7Gi+/==\x1b[0m"


def header(answer, name):
    return dict(answer.headers)[name]


@pytest.mark.parametrize("name", LOGS)
def test_pieces_as_they_were_recorded_make_the_log(name):
    """consoleText is Jenkins' own way to put the log together, without notes."""
    log, text, whole = ConsoleLog(), "", None
    for _, path, query, answer in conversation(name):
        if path.endswith("/progressiveText"):
            if int(query["start"]) == log.offset:
                text += log.feed(int(header(answer, "X-Text-Size")), answer.body)
        elif path.endswith("/consoleText"):
            whole = answer.body.decode()
    text += log.finish()
    assert text.splitlines()[-1].startswith("Finished: ")
    assert whole in (text, None)


def test_the_log_as_text_is_the_log_in_one_piece():
    log, piece = ConsoleLog(), exchange("log-start-0")
    text = log.feed(int(header(piece, "X-Text-Size")), piece.body)
    assert text == exchange("consoletext").body.decode()
    assert log.finish() == ""


def test_a_read_log_asked_for_again_gives_nothing():
    log, whole = ConsoleLog(), exchange("log-start-0")
    log.feed(int(header(whole, "X-Text-Size")), whole.body)
    end = exchange("log-start-exact-end")
    assert log.feed(int(header(end, "X-Text-Size")), end.body) == ""


def test_a_log_that_shrank_comes_whole_and_is_not_shown_again():
    """Recorded: a start beyond the end gives the whole log."""
    log, beyond = ConsoleLog(), exchange("log-start-beyond")
    size = int(header(beyond, "X-Text-Size"))
    log.feed(size + 9, b"x" * (size + 9))
    assert log.feed(size, beyond.body) == ""
    assert log.offset == size
    assert log.feed(size + 4, b"new\r\n") == "new\n"


def test_a_piece_that_was_cut_off_is_refused_and_asked_for_again():
    log = ConsoleLog()
    with pytest.raises(PieceCutOff):
        log.feed(10, b"012\r\n")
    assert log.feed(10, b"012345678\r\n") == "012345678\n"


def test_lines_that_end_in_crlf_themselves_keep_it():
    assert ConsoleLog().feed(6, b"a\r\nb\r\n") == "a\r\nb\r\n"


def test_a_line_without_an_end_is_given_out_at_the_end_or_when_it_is_too_long():
    log = ConsoleLog()
    assert log.feed(2, b"ab") == ""
    assert log.finish() == "ab"
    assert log.finish() == ""
    long = b"x" * (1024 * 1024 + 1)
    assert ConsoleLog().feed(len(long), long) == long.decode()


RAW = exchange("log-start-0").body.replace(b"\r\n", b"\n")
TEXT = exchange("consoletext").body.decode()


@given(st.lists(st.integers(0, len(RAW))).map(sorted))
def test_wherever_it_is_cut_no_byte_is_lost_or_repeated(cuts):
    log, text = ConsoleLog(), ""
    for start, end in zip([0, *cuts], [*cuts, len(RAW)], strict=True):
        text += log.feed(end, RAW[start:end].replace(b"\n", b"\r\n"))
        assert log.offset == end
    assert text + log.finish() == TEXT


@given(st.lists(st.sampled_from([b"plain ", NOTE, b"\xc3\xa4", b"\x1b[31m", b"\n", b"\x1b[8m"])))
def test_notes_are_taken_out_and_nothing_else(parts):
    raw = b"".join(parts)
    expected = b"".join(part for part in parts if part != NOTE)
    log = ConsoleLog()
    text = log.feed(len(raw), raw.replace(b"\n", b"\r\n")) + log.finish()
    assert text == expected.decode("utf-8", "replace")
