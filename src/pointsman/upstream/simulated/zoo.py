"""The zoo: eight simulated models and a judge behind one function from request to reply.

Strategy: a reply depends on the seed and the request's text alone, so that ``truth``, which works offline, and the server
over HTTP say the same. What changes while the zoo runs is small: faults that were asked for, which system prompts a model
has seen (its prompt cache), and a tally for tests.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from pointsman.core.price import Rates
from pointsman.upstream.simulated.dialect import Asked, RefusalError, Reply, Usage
from pointsman.upstream.simulated.faults import Fault
from pointsman.upstream.simulated.judge import JudgeTraits, judge
from pointsman.upstream.simulated.models import JUDGE, JUDGE_RATES, Plain, models
from pointsman.upstream.simulated.reply import Said, cacheable_tokens, input_tokens, say, tokens
from pointsman.upstream.simulated.shapes import instance
from pointsman.upstream.simulated.tasks import Task, solve

Event = Literal["asked", "served", "gone", "fault"]
"""What can happen to a request: ``gone`` means that the client left before its reply was complete."""

_REMEMBERED: Final = 4096
_NONSENSE: Final = "Mountains are mostly made of weather."


class Truth(Struct, frozen=True):
    """A model's answer to a task: whether it is right, the text, and its tokens (``cached``: once the prompt is cached)."""

    right: bool
    text: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int


class Pace(Struct, frozen=True):
    """How fast a reply comes, in seconds: until its first token, and from one token to the next."""

    first_s: float = 0.0
    token_s: float = 0.0


class Zoo:
    """A simulated provider.

    ``seed`` fixes every answer. ``speed`` scales the models' own waiting times: 1 as modelled, 0.1 ten times as fast, 0 no
    waiting. ``extra_models`` are further names that are answered in plain words without solving anything.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        speed: float = 0.0,
        judge: JudgeTraits = JudgeTraits(),  # noqa: B008 - frozen
        extra_models: Mapping[str, Plain] | None = None,
    ) -> None:
        self.seed = seed
        self.speed = speed
        self.judge = judge
        self.models = models()
        self.extra_models = dict(extra_models or {})
        self.tally: Counter[tuple[str, Event]] = Counter()
        """(model, event) -> how often it happened."""
        self._changed = threading.Condition()
        self._faults: dict[str, Fault] = {}
        self._cached: dict[bytes, None] = {}

    @property
    def names(self) -> list[str]:
        """Every model name that is accepted: the eight, the judge, the extra ones."""
        return [*self.models, JUDGE, *self.extra_models]

    def rates(self, name: str) -> Rates | None:
        """Return what a model costs, None for an extra model without a price. Raises KeyError for an unknown name."""
        if name == JUDGE:
            return JUDGE_RATES
        return self.models[name].rates if name in self.models else self.extra_models[name].rates

    def fail(self, model: str, fault: Fault | None) -> None:
        """Let every request to a model fail in one way from now on; None: work again."""
        if fault is None:
            self._faults.pop(model, None)
        else:
            self._faults[model] = fault

    def fault(self, model: str) -> Fault | None:
        """Return how requests to a model fail at present."""
        return self._faults.get(model)

    def note(self, model: str, event: Event) -> None:
        """Count an event, and wake whoever waits for it."""
        with self._changed:
            self.tally[model, event] += 1
            self._changed.notify_all()

    def wait_for(self, model: str, event: Event, *, count: int = 1, timeout_s: float = 10.0) -> bool:
        """Wait, in another thread than the server's, until an event has happened so often. False: it did not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.tally[model, event] >= count, timeout_s)

    def pace(self, name: str) -> Pace:
        """Return how fast a model's replies come, at this zoo's speed."""
        model = self.models.get(name)
        if model is None or self.speed <= 0:
            return Pace()
        return Pace(model.first_token_s * self.speed, self.speed / model.tokens_per_s)

    def truth(self, name: str, task: Task) -> Truth:
        """Return what one of the eight models answers to a task: the same as over HTTP. Raises KeyError for other names."""
        texts = [str(message["content"]) for message in task.messages]
        said = say(self.models[name], system=task.system, user=task.user, seed=self.seed)
        return Truth(bool(said.right), said.text, input_tokens(texts), said.output_tokens, cacheable_tokens(task.system))

    def probability(self, name: str, task: Task) -> float:
        """Return the probability, over seeds, that one of the eight is right. Raises KeyError for other names."""
        return self.models[name].chance(task.family, task.language, task.difficulty)

    def reply(self, asked: Asked, fault: Fault | None = None) -> Reply:
        """Return a model's reply. Raises RefusalError (404) for a model that is not in the zoo."""
        if asked.model not in self.models and asked.model != JUDGE and asked.model not in self.extra_models:
            known = ", ".join(self.names[:12])
            raise RefusalError(404, "model_not_found", f"the zoo has no model {asked.model!r}; it has {known}", "model")
        said = Said(_NONSENSE) if fault is not None and fault.kind == "nonsense" else self._said(asked)
        text, finish = said.text, "stop"
        if asked.tool is not None:
            finish = "tool_calls"
        elif asked.limit is not None and said.output_tokens > asked.limit:
            text, finish = _cut(text, max(0, asked.limit - said.reasoning)), "length"
        output = tokens(text) + min(said.reasoning, asked.limit or said.reasoning)
        usage = Usage(input_tokens(asked.texts), output, self._read_cache(asked), output - tokens(text))
        content = "\x1f".join((str(self.seed), asked.model, *asked.texts)).encode("utf-8", "replace")
        digest = hashlib.blake2b(content, digest_size=9)
        tool = str(asked.tool["name"]) if asked.tool is not None else None
        return Reply(f"chatcmpl-{digest.hexdigest()}", asked.model, text, usage, finish, tool)

    def _said(self, asked: Asked) -> Said:
        model = self.models.get(asked.model)
        if asked.tool is not None:
            return Said(_fields(asked.tool.get("parameters") or {}, asked))
        if asked.result is not None:
            return Said(f"The tool says: {asked.result}")
        if asked.model == JUDGE:
            return Said(judge(asked.user, self.judge, self.seed))
        if model is None:
            return Said(_plain_words(self.extra_models[asked.model].output_tokens))
        said = say(model, system=asked.system, user=asked.user, seed=self.seed)
        if asked.schema is not None:
            return Said(_fields(asked.schema, asked, said), said.reasoning, said.right)
        return said

    def _read_cache(self, asked: Asked) -> int:
        """Return the input tokens read from the cache, and remember the system prompt for the next request."""
        size = cacheable_tokens(asked.system)
        if not size or asked.model not in self.models:
            return 0
        key = hashlib.blake2b(f"{asked.model}\x1f{asked.system}".encode("utf-8", "replace"), digest_size=16).digest()
        if key in self._cached:
            return size
        if len(self._cached) >= _REMEMBERED:
            del self._cached[next(iter(self._cached))]
        self._cached[key] = None
        return 0


def _fields(schema: Mapping[str, object], asked: Asked, said: Said | None = None) -> str:
    """Return JSON of a schema's shape. A letter's fields come as the model read them; other answers fill the first field."""
    solution = solve(asked.user)
    if said is not None and solution is not None and solution.kind == "json_fields":
        return said.text
    known: dict[str, object] = {}
    if solution is not None and solution.kind == "json_fields":
        known = json.loads(solution.answer)
    elif said is not None and isinstance(properties := schema.get("properties"), Mapping) and properties:
        known = {next(iter(properties)): said.text}
    return json.dumps(instance(schema, known, asked.user), ensure_ascii=False)


def _plain_words(count: int) -> str:
    """Return words that are ``count`` tokens long and say what they are."""
    words = "Simulated answer without content. " * (count // 8 + 1)
    return words[: 4 * count]


def _cut(text: str, limit: int) -> str:
    """Return the longest beginning of a text that has at most ``limit`` tokens."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if tokens(text[:middle]) <= limit else (low, middle - 1)
    return text[:low]
