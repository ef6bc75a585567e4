"""Texts typed otherwise: what is worked out from a vector is what the text's own vector shows; policies lean less on it."""

from collections.abc import Callable

import numpy as np
import pytest

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.policy import features, typed
from pointsman.policy.outcomes import Floats

TEXTS = (
    "What does the treaty of Utrecht say of Gibraltar, and when was it signed?",
    "def add(a, b):\n    return a + b\n\nWhat does this print for add(2, 3)?",
    "Choose the right answer.\nA. one\nB. two\nC. three\nD. none of these",
    "请问长城有多长？\n请给出一个数字。",
)


def flags(texts: tuple[str, ...]) -> Floats:
    asked = [ChatRequest("auto", (Message("user", (Text(text),)),)) for text in texts]
    vectors = np.frombuffer(b"".join(features.vectors(asked)), dtype=np.uint8).reshape(len(texts), -1)
    return features.dense(vectors)[:, : features.FLAGS].astype(np.float64)


def wider(text: str) -> str:
    return text.replace("\n", "\n\n\n").replace(" ", "   ")


@pytest.mark.parametrize(
    ("change", "truly"),
    [(typed._small, str.lower), (typed._wider, wider), (typed._on_one_line, lambda text: text.replace("\n", " "))],
)
def test_what_is_worked_out_is_what_the_text_would_show(change: typed.Change, truly: Callable[[str], str]) -> None:
    found = typed.otherwise(flags(TEXTS), change)
    np.testing.assert_allclose(found, flags(tuple(truly(text) for text in TEXTS)), atol=0.02)


@pytest.mark.parametrize("change", typed.CHANGES)
def test_a_structural_part_stays_one(change: typed.Change) -> None:
    found = typed.otherwise(np.vstack((flags(TEXTS), np.zeros(features.FLAGS))), change)
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_damping_takes_from_what_changes_and_leaves_the_rest() -> None:
    damped = typed.damping(flags(TEXTS), lambda each: each)
    np.testing.assert_allclose(damped, damped.T, atol=1e-12)
    values = np.linalg.eigvalsh(damped)
    assert values.min() > 0
    assert values.max() == pytest.approx(1)
    move = (typed.otherwise(flags(TEXTS), typed._wider) - flags(TEXTS)).mean(axis=0)
    assert move[features.SHARES.start + features.BLANKS] > 0
    assert np.linalg.norm(move @ damped) < 0.7 * np.linalg.norm(move)
    untouched = np.zeros(features.FLAGS)
    untouched[features.BREAKS + 1] = 1  # tools
    np.testing.assert_allclose(untouched @ damped, untouched, atol=1e-9)
