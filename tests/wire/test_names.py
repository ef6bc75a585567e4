"""Names of what was lost are bounded, whatever a provider sends."""

from pointsman.wire.anthropic.stream import decoder
from pointsman.wire.names import Names


def test_names_are_a_set_with_a_bound() -> None:
    names = Names()
    names.update(["a", "b"], ["a"])
    names.add("c" * 1000)
    assert names == {"a", "b", "c" * 100}
    names.update(str(number) for number in range(1000))
    assert len(names) == 100
    assert {"a", "0"} < names


def test_a_stream_of_ever_new_events_does_not_grow() -> None:
    reader = decoder()
    for number in range(1000):
        reader.feed(b'data: {"type":"new_%d"}\n\n' % number)
    assert len(reader.unread) == 100
