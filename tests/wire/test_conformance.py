"""The committed conformance table is what the code does, and nothing in it is lost in silence."""

from tests.wire.cases import REQUESTS
from tests.wire.conformance import DOCUMENT, SILENT, document, requested, rows

from pointsman.wire.dialects import DIALECTS, OF_PROVIDERS


def test_nothing_is_lost_in_silence() -> None:
    silent = [name for name, cells in rows() if any(verdict == SILENT for verdict, _ in cells)]
    assert silent == []


def test_the_committed_table_is_what_the_code_does() -> None:
    assert DOCUMENT.read_text("utf-8") == document(), "run `make conformance`, and look at what changed"


def test_nothing_that_bedrock_is_asked_is_lost_in_silence() -> None:
    """It is no column of the table: no client speaks its dialect, so that half of each cell is missing."""
    converse = OF_PROVIDERS["bedrock_converse"]
    cells = {(case.name, ours.name): requested(case, ours, converse)[0] for case in REQUESTS for ours in DIALECTS.values()}
    assert [where for where, verdict in cells.items() if verdict == SILENT] == []
