"""Which paths are operations: read in time that grows with the path, because anybody may send one of 64 KiB."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.gateway.entries import entry
from pointsman.gateway.server.reader import HEAD_LIMIT

PLAIN = re.compile(r"/v1(?:alpha|beta1?)?/(?:.*?models/)?(.+):(generateContent|streamGenerateContent|countTokens)")
"""What the paths of Gemini are, where time is no matter."""
PIECES = st.sampled_from(
    ["/v1/", "/v1beta/", "/v1beta1/", "/v1alpha/", "models/", "publishers/google/", "a", "/", ":", "\n", "generateContent"]
)
ENDS = st.sampled_from(["", ":generateContent", ":streamGenerateContent", ":countTokens", ":generate"])


@given(st.lists(PIECES, max_size=7), ENDS)
def test_a_path_is_geminis_by_its_beginning_and_its_verb(pieces: list[str], end: str) -> None:
    path = "".join(pieces) + end
    found, plain = entry(path, ""), PLAIN.fullmatch(path)
    assert (found is None) == (plain is None)
    if found is not None and plain is not None:
        assert (found.dialect, found.address.model) == ("gemini", plain.group(1))


@pytest.mark.parametrize("piece", ["models/", "models/:", ":generateContent", "/v1/"])
def test_no_path_takes_long(piece: str) -> None:
    path = "/v1/" + piece * (HEAD_LIMIT // len(piece))
    began = time.process_time()
    entry(path, "")
    assert time.process_time() - began < 0.25  # a search for each piece took seconds
