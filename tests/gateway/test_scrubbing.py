"""A key that a provider repeats in what it says of a failure does not go on."""

from pointsman.gateway.scrubbing import scrubbed
from pointsman.upstream.interfaces import Request

PLAIN = Request("POST", "http://p", ((b"user-agent", b"pointsman"),), b"{}")


def signed(*headers: tuple[bytes, bytes]) -> Request:
    return Request("POST", "http://p", (*PLAIN.headers, *headers), b"{}")


def test_every_place_of_the_key_is_taken_out_and_nothing_else() -> None:
    said = b'{"error": {"message": "Incorrect API key provided: sk-12345678 (sk-12345678)", "agent": "pointsman"}}'
    for header in ((b"authorization", b"Bearer sk-12345678"), (b"x-api-key", b"sk-12345678")):
        assert scrubbed(said, signed(header), PLAIN) == said.replace(b"sk-12345678", b"[key]")


def test_without_a_key_what_was_said_goes_on_as_it_is() -> None:
    assert scrubbed(b"pointsman failed", PLAIN, PLAIN) == b"pointsman failed"
    assert scrubbed(b"a short word", signed((b"x-api-key", b"word")), PLAIN) == b"a short word"
