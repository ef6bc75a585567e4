"""The committed conformance table is what the code does, and nothing in it is lost in silence."""

from tests.wire.conformance import DOCUMENT, SILENT, document, rows


def test_nothing_is_lost_in_silence() -> None:
    silent = [name for name, cells in rows() if any(verdict == SILENT for verdict, _ in cells)]
    assert silent == []


def test_the_committed_table_is_what_the_code_does() -> None:
    assert DOCUMENT.read_text("utf-8") == document(), "run `make conformance`, and look at what changed"
