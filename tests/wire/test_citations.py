"""Citations that have a place on the web, in the words of any dialect."""

import pytest
from msgspec import Raw

from pointsman.wire.citations import Web, web


@pytest.mark.parametrize(
    ("citation", "found"),
    [
        (b'{"type":"url_citation","url":"u","title":"t","start_index":1,"end_index":4}', Web("u", "t", 1, 4)),
        (
            b'{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":1,"end_index":4,"content":"c"}}',
            Web("u", "t", 1, 4, ("citations.content",)),
        ),
        (
            b'{"type":"web_search_result_location","url":"u","title":null,"cited_text":"c","encrypted_index":"e","x":null}',
            Web("u", "", 0, 9, ("citations.cited_text", "citations.encrypted_index")),
        ),
        (b'{"type":"page_location","document_index":0}', None),
        (b'{"url":7}', None),
        (b"[]", None),
        (b"{", None),
        (b"\xff", None),
    ],
)
def test_a_citation_is_a_place_and_the_names_of_what_else_it_said(citation: bytes, found: Web | None) -> None:
    assert web(Raw(citation), 9) == found
