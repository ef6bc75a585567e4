"""Which bytes of a stream may go to the client, and when: a transcript for each law."""

from tests.gateway.conftest import DONE, USAGE, frame

from pointsman.core.chat import Usage
from pointsman.gateway.relay import HELD_LIMIT, Relay
from pointsman.wire.dialects import DIALECTS

ROLE = frame({"role": "assistant", "content": ""})
A, B, STOP = frame({"content": "a"}), frame({"content": "b"}), frame({}, "stop")
ERROR = b'data: {"error":{"message":"overloaded"}}\n\n'


def relay(*, drop_usage: bool = True, texts: bool = False) -> Relay:
    return Relay("p/m", DIALECTS["openai_chat"], drop_usage=drop_usage, texts=texts)


def test_nothing_goes_before_content_then_everything_in_order() -> None:
    one = relay()
    assert one.take(b": ping\n\n" + ROLE) == b""
    assert not one.began
    assert one.take(A) == b": ping\n\n" + ROLE + A
    assert one.take(B[:10]) == b""
    assert one.take(B[10:] + STOP) == B + STOP
    assert one.take(USAGE + DONE) == DONE
    assert one.end() == b""
    assert one.broken == ""
    assert (one.answer.finish, one.answer.usage) == ("stop", Usage(input=100, output=3))


def test_usage_that_the_client_wants_goes_too() -> None:
    one = relay(drop_usage=False)
    assert one.take(A + STOP + USAGE + DONE) == A + STOP + USAGE + DONE


def test_every_cut_of_a_stream_gives_the_same_bytes() -> None:
    stream = b": ping\n\n" + ROLE + A + B + STOP + USAGE + DONE
    for texts in (False, True):
        for cut in range(len(stream)):
            one = relay(texts=texts)
            assert one.take(stream[:cut]) + one.take(stream[cut:]) + one.end() == stream.replace(USAGE, b"")
            assert one.answer.text == ("ab" if texts else "")


def test_what_is_held_back_is_bounded() -> None:
    one = relay()
    comment = b": " + b"x" * 1000 + b"\n\n"
    sent = b"".join(one.take(comment) for _ in range(HELD_LIMIT // 1000 + 1))
    assert one.began
    assert len(sent) > HELD_LIMIT
    assert one.take(comment) == comment


def test_an_error_before_content_holds_everything_back() -> None:
    one = relay()
    assert one.take(ROLE + ERROR) == b""
    assert one.error == ERROR[6:-2]
    assert not one.began


def test_a_break_after_content_ends_with_an_error_event() -> None:
    one = relay()
    one.take(A + B[:10])
    last = one.end("connection closed")
    assert last.startswith(b'data: {"error":{"message":"p/m: connection closed"')
    assert one.broken == "connection closed"


def test_an_end_without_finish_is_a_break_and_a_providers_own_error_is_enough() -> None:
    one = relay()
    one.take(A)
    assert b"ended before" in one.end()
    one = relay()
    assert one.take(A + ERROR) == A + ERROR
    assert one.end() == b""
    assert one.broken


def test_a_reply_that_finished_is_whole_even_if_the_connection_broke_after_it() -> None:
    one = relay()
    one.take(A + STOP)
    assert (one.end("closed"), one.broken) == (b"", "")


def test_a_reply_without_content_goes_out_at_its_end() -> None:
    one = relay()
    assert one.take(ROLE + STOP) == b""
    assert (one.end(), one.began, one.broken) == (ROLE + STOP, True, "")
