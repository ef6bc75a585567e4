"""What people are asked about answers, and what they said.

A *question* is one comparison of a candidate's answer with the reference's, or one answer alone; its *material* is the text
that a person reads, kept for as long as the owner wants; an *opinion* is what one reviewer said to it.
"""

import hashlib
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from pointsman.core.routing import Arm

Said = Literal["candidate", "reference", "tie", "good", "bad", "cannot tell", "skip"]
"""What a reviewer may say: which of two answers is better (the candidate's, the reference's, neither), or of one answer."""

Side = Literal["candidate", "reference"]

GRADER: Final = "person:"
"""What the graders of judgements by people begin with."""

SHARES: Final[dict[Said, float | None]] = {
    "candidate": 1.0, "reference": 0.0, "tie": 0.5, "good": 1.0, "bad": 0.0, "cannot tell": None, "skip": None,
}  # fmt: skip
"""What each means as a grade: the candidate's share of wins, or how good the one answer is; None: no grade."""


class Question(Struct, frozen=True):
    """What a person may be asked, without its text.

    ``deployment`` gave the answer, in a ``trial`` (empty: as served) in answer to an exchange. ``reference`` gave the other
    one (empty: there is one answer only). ``machine`` is what the feature's check or judge said, as the candidate's grade
    less the reference's (a judge's wins minus losses) or as the one answer's grade; None: it could not tell. ``worth`` as in
    ``policy/queue``; 0: the answers are the same, nobody needs to be asked. ``gone_ms`` is when its material was forgotten;
    its ``id`` follows from what is judged.
    """

    exchange: str
    trial: str
    feature: str
    deployment: str
    reference: str
    arm: Arm | Literal["candidate"]
    at_ms: int
    machine: float | None
    worth: float
    gone_ms: int | None = None
    id: str = ""

    def __post_init__(self) -> None:
        """Name it: its name follows from what is judged, and is worked out once."""
        force_setattr(self, "id", question_id(self.exchange, self.trial, self.deployment, self.arm))

    @property
    def paired(self) -> bool:
        """Whether two answers are compared."""
        return bool(self.reference)


class Material(Struct, frozen=True):
    """What a person reads: the request, the answer, and the reference's answer (empty: there is none)."""

    request: str
    answer: str
    other: str = ""


class Opinion(Struct, frozen=True):
    """What a reviewer said to a question, after so many seconds of reading.

    ``first`` is whose answer stood at A. ``next`` was the largest priority among the other questions about the same
    candidate when it was asked (``policy/queue.Asked``).
    """

    question: str
    reviewer: str
    at_ms: int
    said: Said
    first: Side
    seconds: float
    next: float


def question_id(exchange: str, trial: str, deployment: str, arm: str) -> str:
    """Return the id of the question about one answer: 16 hexadecimal digits."""
    return hashlib.sha256(msgspec.json.encode([exchange, trial, deployment, arm])).hexdigest()[:16]
