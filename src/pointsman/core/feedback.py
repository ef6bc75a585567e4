"""What is said of answers later, by whoever uses them: people, tests, the application's own business.

A *signal* is a source and what it says: its thumbs are one, its tests another, its thumbs for whole conversations a third.
Each has a reliability of its own (``policy/reliability``), for a user's click and a failed test deserve different trust.
"""

from typing import Final, Literal

from msgspec import Struct

FeedbackKind = Literal["score", "thumb", "test", "edit", "event"]
About = Literal["exchange", "client_id", "conversation"]

GRADER: Final = "feedback:"
"""What the graders of judgements that came as feedback begin with."""


class Feedback(Struct, frozen=True):
    """One thing said of one exchange, or of one conversation as a whole.

    ``id`` is its sender's name for it, unique within its ``source``. ``about`` says what ``subject`` names: an exchange by
    our id or by the client's own, or a conversation. ``score`` in [0, 1] is what was said: a score, a thumb or a test (1 or
    0), the share of an answer that an edit kept, 1 or 0 for a good or a bad event. ``event`` names it, and ``value_nano`` is
    what it was worth in nano-dollars (negative: lost; None: nobody said). ``at_ms`` is when it was said, ``taken_ms`` when
    it came here (Unix milliseconds). ``client_key`` is the key of who sent it (empty: none was asked for, or imported).
    """

    id: str
    source: str
    kind: FeedbackKind
    about: About
    subject: str
    score: float
    at_ms: int
    taken_ms: int
    event: str = ""
    value_nano: int | None = None
    client_key: str = ""

    @property
    def grader(self) -> str:
        """What the judgements that it becomes say of their grader: the signal."""
        return grader_of(self.source, self.kind, self.event, whole=self.about == "conversation")


def grader_of(source: str, kind: FeedbackKind, event: str, *, whole: bool) -> str:
    """Return the name of a signal as a grader, ``feedback:SOURCE:[conversation:]KIND[:EVENT]``.

    ``whole``: it spoke of whole conversations. What it says of one answer alone is not superseded by that.
    """
    return f"{GRADER}{source}:{'conversation:' if whole else ''}{kind}{f':{event}' if event else ''}"


class Taken(Struct, frozen=True):
    """How one was taken, and of how many exchanges that are known by now it speaks.

    joined      its exchange is known: the judgement follows at once
    waiting     its exchange is not known yet: it is kept, and joined when it comes
    corrected   it takes the place of what the same signal said of the same subject before
    outdated    the same signal said something later already, which stays in force
    repeated    one with its id is there, and stays as it is
    """

    how: Literal["joined", "waiting", "corrected", "outdated", "repeated"]
    exchanges: int
