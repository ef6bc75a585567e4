"""What one route learned, as one value: how well and for how much each deployment answers what kind of request.

Strategy: everything that was learned is a linear map of the feature vector, so all maps lie side by side in one matrix, and
predicting for every deployment at once is one product and a handful of operations on short rows. ``policy/teach`` makes a
Policy; the gateway reads it from the snapshot.

Laws: a prediction depends on the feature vector (and what an encoder made of the text, where the policy has one), the tags
and the estimate of input tokens alone (its cost, in the middle of a conversation, on the outlook too), so that a decision
can be made again from the journal; one request alone is predicted as in a batch; a deployment that was not learned has no
prediction; damaged bytes are an error.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from pointsman.core.errors import SnapshotError
from pointsman.core.price import Price
from pointsman.core.routing import Context, Deployment, Plan, Prediction
from pointsman.policy import cost, encoding, features
from pointsman.policy.linear import softmax

Matrix = NDArray[np.float32]
MEDIAN: Final = 0
HIGH: Final = 1
_FORMAT: Final = 4
_FLAG_LIMIT: Final = 0.6
_CLOSEST: Final = 0.002
_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})
TASK: Final = "task:"  # before the name of a task, in a tag
_LARGEST_LOG: Final = np.float32(80)  # beyond any amount, and short of what a float32 holds


class Policy(Struct, frozen=True, eq=False):
    """What one route learned about M deployments, from requests of T tasks with F known tags.

    ``flag_centre`` and ``flag_scale`` (FLAGS,) standardise the structural part of a vector and ``centre`` (D,) is the mean
    of the result. ``maps`` (D, T + 3 M) and ``bias`` (T + 3 M,) give, side by side: log-odds of tasks, quality, the
    logarithm of recorded costs in nano-dollars, the logarithm of output tokens; ``table`` (T, 3 M) what each task adds to
    the last three. ``table_variance`` (T, M), ``variance`` (M,) and ``tags`` (F, M) are those of ``quality.QualityModel``;
    ``most`` (2, M) the largest recorded cost and output ever seen; ``quantiles`` (2, 2 M) the median and the 90th percentile
    of recorded costs and of output tokens, as shares of what is expected. NaN: nothing was recorded. With an ``encoder``, by
    its name, D has what that makes of a text beside; ``bare`` is what was learned of the same without.
    """

    deployments: tuple[str, ...]
    tasks: tuple[str, ...]
    known_tags: tuple[str, ...]
    flag_centre: Matrix
    flag_scale: Matrix
    centre: Matrix
    maps: Matrix
    bias: Matrix
    table: Matrix
    table_variance: Matrix
    variance: Matrix
    tags: Matrix
    most: Matrix
    quantiles: Matrix
    learned_from: int = 0
    vector_version: int = features.VERSION
    format: int = _FORMAT
    encoder: str = ""
    bare: "Policy | None" = None


class Estimates(Struct, frozen=True, eq=False):
    """Predictions for N requests x M learned deployments.

    ``quality`` in (0, 1) and its standard error, ``recorded`` cost in nano-dollars, output ``tokens``; NaN where nothing
    was recorded.
    """

    quality: Matrix
    quality_sd: Matrix
    recorded: Matrix
    tokens: Matrix


def encode(policy: Policy) -> bytes:
    """Return a policy as bytes."""
    return _ENCODER.encode(policy)


def decode(data: bytes) -> Policy:
    """Return the policy held in ``data``. Raises SnapshotError when the bytes are damaged or of another version."""
    try:
        policy = _DECODER.decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, TypeError) as error:
        raise SnapshotError(f"the learned policy is damaged or of an incompatible version: {error}") from error
    _check(policy)
    return policy


def _check(policy: Policy) -> None:
    """Raise SnapshotError where a policy is of another version, or its parts do not fit together."""
    if policy.format != _FORMAT or policy.vector_version != features.VERSION:
        raise SnapshotError("the learned policy is of another version: learn it again with `pointsman learn`")
    if policy.bare is not None:
        _check(policy.bare)
    width = features.DIMS + (encoding.WIDTH if policy.encoder else 0)
    m, t = len(policy.deployments), len(policy.tasks)
    shapes = {
        "flag_centre": (features.FLAGS,),
        "flag_scale": (features.FLAGS,),
        "centre": (width,),
        "maps": (width, t + 3 * m),
        "bias": (t + 3 * m,),
        "table": (t, 3 * m),
        "table_variance": (t, m),
        "variance": (m,),
        "tags": (len(policy.known_tags), m),
        "most": (2, m),
        "quantiles": (2, 2 * m),
    }
    fits = all(getattr(policy, name).shape == shape for name, shape in shapes.items())
    same = policy.bare is None or (policy.bare.deployments == policy.deployments and not policy.bare.encoder)
    if not t or not fits or not same or bool(policy.encoder) != (policy.bare is not None):
        raise SnapshotError("the learned policy is damaged: its parts do not fit together")


def _heard(policy: Policy, vectors: NDArray[np.uint8]) -> tuple[Policy, NDArray[np.uint8]]:
    """Return the part of a policy that reads these vectors, and what it reads of them. Raises SnapshotError."""
    if not policy.encoder or vectors.shape[1] != features.WIDE:
        return policy.bare or policy, features.plain(vectors)
    marks = vectors[:, features.LENGTH + 1 : features.LENGTH + 1 + encoding.MARK]
    if (marks != np.frombuffer(encoding.mark(policy.encoder), dtype=np.uint8)).any():
        raise SnapshotError(
            f"this policy was learned with the encoder {policy.encoder}, and these texts were encoded by another: learn it "
            "again with `pointsman learn`, or configure that encoder"
        )
    return policy, vectors


def design(vectors: NDArray[np.uint8], flag_centre: Matrix, flag_scale: Matrix) -> Matrix:
    """Return vectors (N, LENGTH) as the rows (N, D) of a linear model, the structural part standardised and bounded."""
    rows = features.dense(vectors)
    standardise(rows[:, : features.FLAGS], flag_centre, flag_scale)
    return rows


def standardise(flags: Matrix, flag_centre: Matrix, flag_scale: Matrix) -> Matrix:
    """Return structural parts (N, FLAGS), standardised and bounded in place."""
    flags -= flag_centre
    flags *= flag_scale
    np.maximum(flags, -_FLAG_LIMIT, out=flags)
    np.minimum(flags, _FLAG_LIMIT, out=flags)
    return flags


def estimate(policy: Policy, vectors: NDArray[np.uint8] | None, tags: Sequence[Sequence[str]]) -> Estimates:
    """Return what is expected of every learned deployment for N requests, each with its tags.

    ``vectors`` is (N, LENGTH), with encodings (N, WIDE), or None where none were recorded: then every request is an average
    one. Tags are the owner's features, and ``task:NAME``, which is believed: a task that was learned need not be told from
    the text. Raises SnapshotError where another encoder made the encodings.
    """
    if vectors is not None:
        policy, vectors = _heard(policy, vectors)
    m, t = len(policy.deployments), len(policy.tasks)
    if vectors is None:
        out = np.repeat((policy.centre @ policy.maps + policy.bias)[None, :], len(tags), axis=0)
    else:
        out = design(vectors, policy.flag_centre, policy.flag_scale) @ policy.maps
        out += policy.bias
    chance = softmax(out[:, :t])
    for row, name in enumerate(map(_task, tags)):
        if name in policy.tasks:
            chance[row] = 0
            chance[row, policy.tasks.index(name)] = 1
    found = chance @ policy.table
    found += out[:, t:]
    quality = found[:, :m]
    if policy.known_tags:
        for row, each in enumerate(tags):
            for tag in each:
                if tag in policy.known_tags:
                    quality[row] += policy.tags[policy.known_tags.index(tag)]
    spread = np.sqrt(np.square(chance) @ policy.table_variance + policy.variance)
    amounts = np.exp(np.minimum(found[:, m:], _LARGEST_LOG))
    amounts = np.minimum(amounts, policy.most.reshape(-1))
    return Estimates(
        quality=np.minimum(np.maximum(quality, _CLOSEST), 1 - _CLOSEST),
        quality_sd=spread,
        recorded=amounts[:, :m],
        tokens=amounts[:, m:],
    )


def at_quantile(policy: Policy, estimates: Estimates, quantile: int) -> Estimates:
    """Return estimates with the ``MEDIAN`` or the 90th percentile (``HIGH``) of costs and tokens in place of their means.

    ``expected_cost`` of these is a call's cost at that quantile.
    """
    m = len(policy.deployments)
    shares, most = policy.quantiles[quantile], policy.most
    recorded = np.minimum(estimates.recorded * shares[:m], most[0])
    return replace(estimates, recorded=recorded, tokens=np.minimum(estimates.tokens * shares[m:], most[1]))


def expected_cost(
    estimates: Estimates, column: int, input_tokens: NDArray[np.float64], one: Deployment
) -> NDArray[np.float64]:
    """Return the expected cost (N,) in nano-dollars: tokens x price, the recorded costs only where there is no price."""
    if one.price is None:
        return estimates.recorded[:, column].astype(np.float64)
    return cost.expected(input_tokens, estimates.tokens[:, column].astype(np.float64), one.price)


def predict(
    policy: Policy, context: Context, deployments: Sequence[Deployment], same: Mapping[str, str] = _NOBODY
) -> tuple[Prediction, ...]:
    """Return one prediction per deployment, in order; quality and cost are None for what was not learned.

    ``same`` names, for a deployment that nothing was learned of, one of the same model of which something was.
    """
    vectors = _vectors(policy, context.vector)
    found = estimate(policy, vectors, ((context.feature, *context.tags),))
    quality, spread = found.quality[0].tolist(), found.quality_sd[0].tolist()
    recorded, tokens = found.recorded[0].tolist(), found.tokens[0].tolist()
    columns = {name: column for column, name in enumerate(policy.deployments)}
    predictions = []
    for one in deployments:
        column = columns.get(one.name)
        if column is None and same:
            column = columns.get(same.get(one.name, ""))
        if column is None:
            predictions.append(Prediction(one.name))
            continue
        amount = recorded[column] if one.price is None else _expected_one(context, one, one.price, tokens[column])
        predictions.append(Prediction(one.name, quality[column], spread[column], _whole(amount), _whole(tokens[column])))
    return tuple(predictions)


def may_decide(policy: Policy, plan: Plan, context: Context) -> bool:
    """Whether a policy may decide a request: one that was tested with encodings was not tested without."""
    return plan.tested is None or not policy.encoder or _own_encoding(policy, context.vector)


def _vectors(policy: Policy, data: bytes) -> NDArray[np.uint8] | None:
    """Return a request's vector (1, LENGTH or WIDE), without an encoding that another encoder made; None: it has none."""
    if features.is_wide(data) and not _own_encoding(policy, data):
        data = data[: features.LENGTH]
    return np.frombuffer(data, dtype=np.uint8)[None, :] if features.readable(data) else None


def _own_encoding(policy: Policy, data: bytes) -> bool:
    return features.is_wide(data) and data.startswith(encoding.mark(policy.encoder), features.LENGTH + 1)


def _task(tags: Sequence[str]) -> str | None:
    """Return the name of the task among a request's tags, None where none is said."""
    return next((tag[len(TASK) :] for tag in tags if tag.startswith(TASK)), None)


def _expected_one(context: Context, one: Deployment, price: Price, output_tokens: float) -> float:
    taken, ahead, tier = context.needs.input_tokens, context.outlook, context.needs.tier
    if tier:
        price = price.on(tier)
    if ahead is None:
        return cost.expected_one(taken, output_tokens, price)
    warm, kept = ahead.warm.get(one.name, 0.0), ahead.kept.get(one.name, 0.0)
    return cost.expected_ahead(taken, output_tokens, price, warm=warm, kept=kept, calls=ahead.calls, growth=ahead.growth)


def _whole(amount: float) -> int | None:
    return None if amount != amount else round(amount)  # noqa: PLR0124 - NaN: nothing was recorded


def _pack(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.shape, value.astype("<f4").tobytes()
    raise NotImplementedError


def _unpack(_kind: type, value: Any) -> Any:
    shape, data = value
    return np.frombuffer(data, dtype="<f4").reshape(shape)


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_pack, order="deterministic")
_DECODER: Final = msgspec.msgpack.Decoder(Policy, dec_hook=_unpack)
