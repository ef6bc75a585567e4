"""Sentences with slots, by which a task is both written and read.

Strategy: one template serves both directions, so that a wording that is added can never be one that the solver does not
know. ``{name}`` stands for something on one line, ``{name*}`` for several lines.
"""

import re
from collections.abc import Iterator, Mapping
from random import Random
from typing import Final

from pointsman.upstream.simulated.tasks.task import LANGUAGES, Language

_SLOT: Final = re.compile(r"\{(\w+)(\*?)\}")


class Phrase:
    """One template. It must end with fixed text or a one-line slot at the end of a line."""

    def __init__(self, template: str) -> None:
        self.template = template
        pattern, position = "", 0
        for slot in _SLOT.finditer(template):
            pattern += re.escape(template[position : slot.start()])
            pattern += f"(?P<{slot[1]}>" + (r"[\s\S]+?)" if slot[2] else r"[^\n]+?)")
            position = slot.end()
        tail = template[position:]
        self._pattern = re.compile(pattern + (re.escape(tail) if tail else r"(?=\n|$)"))

    def write(self, slots: Mapping[str, object]) -> str:
        """Return the sentence with its slots filled."""
        return _SLOT.sub(lambda slot: str(slots[slot[1]]), self.template)

    def read(self, text: str) -> dict[str, str] | None:
        """Return what stands in the slots at the first place where the sentence occurs."""
        found = self._pattern.search(text)
        return found.groupdict() if found else None

    def read_whole(self, text: str) -> dict[str, str] | None:
        """Return what stands in the slots of a text that is this sentence and nothing else."""
        found = self._pattern.fullmatch(text)
        return found.groupdict() if found else None

    def read_all(self, text: str) -> Iterator[dict[str, str]]:
        """Yield what stands in the slots wherever the sentence occurs."""
        return (found.groupdict() for found in self._pattern.finditer(text))


class Wordings:
    """Several ways to say the same in each language."""

    def __init__(self, *, en: tuple[str, ...], zh: tuple[str, ...]) -> None:
        self._phrases: dict[Language, tuple[Phrase, ...]] = {
            "en": tuple(Phrase(template) for template in en),
            "zh": tuple(Phrase(template) for template in zh),
        }

    def write(self, language: Language, rng: Random, **slots: object) -> str:
        """Return one of the wordings, drawn at random, with its slots filled."""
        return rng.choice(self._phrases[language]).write(slots)

    def read(self, text: str) -> tuple[Language, dict[str, str]] | None:
        """Return the language and the slots of the first wording that occurs in the text."""
        for language in LANGUAGES:
            for phrase in self._phrases[language]:
                slots = phrase.read(text)
                if slots is not None:
                    return language, slots
        return None

    def read_whole(self, text: str) -> dict[str, str] | None:
        """Return the slots of the wording that the text is, blanks around it aside."""
        phrases = (phrase for language in LANGUAGES for phrase in self._phrases[language])
        return next((slots for phrase in phrases if (slots := phrase.read_whole(text.strip())) is not None), None)

    def read_all(self, text: str) -> list[dict[str, str]]:
        """Return the slots of every occurrence of every wording, in the order of the phrases."""
        return [slots for language in LANGUAGES for phrase in self._phrases[language] for slots in phrase.read_all(text)]

    def lines(self, text: str) -> list[dict[str, str]] | None:
        """Read a block in which every line is one of the wordings; None when a line is not."""
        rows = [self.read_whole(line) for line in text.strip().splitlines()]
        known = [row for row in rows if row is not None]
        return known if len(known) == len(rows) else None
