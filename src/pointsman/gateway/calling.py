"""Calling one deployment for one request, and answering the client with what it brings.

    request as the provider takes it -> signed -> sent -> refused | a stream, frame by frame | a whole reply

Laws: a call that brings an answer takes the client's turn (``UnderWay.answered_by``), and no other can any more; until then
what it brings touches nothing but itself, so that another call may still answer. However a call ends, its connection is
given back or closed, and what came of it is noted.
"""

from functools import partial

from msgspec import structs

from pointsman.core.errors import GatewayError, UpstreamError, WireError
from pointsman.core.record import Cause
from pointsman.core.routing import Deployment
from pointsman.gateway import heads
from pointsman.gateway.attempt import Call, Failure, error_body, failed, is_stream, judge, refused
from pointsman.gateway.flow import Flow
from pointsman.gateway.passage import Passage, reported
from pointsman.gateway.scrubbing import scrubbed
from pointsman.gateway.server.message import Client, Headers
from pointsman.gateway.tab import Tab
from pointsman.gateway.underway import UnderWay
from pointsman.policy import permits
from pointsman.upstream.interfaces import Reply, Request, Timeouts
from pointsman.wire.seals import sealed


async def attempt(on: UnderWay, name: str, cause: Cause, client: Client) -> Failure | None:
    """Make one call and, where it brings an answer, answer the client with it. A failure is noted with the exchange."""
    return await through(on, begun(on, name, cause), client)


def begun(on: UnderWay, name: str, cause: Cause) -> Call:
    """Return a call to a deployment that begins now, as one of the exchange's."""
    began = on.equipment.clock()
    call = Call(on.current.deployment(name), cause, began, on.at_ms + int((began - on.started) * 1e3))
    on.calls.append(call)
    return call


async def through(on: UnderWay, call: Call, client: Client) -> Failure | None:
    """Make a call that has begun: see ``attempt``. Raises BeatenError where another call answered meanwhile."""
    current, clock, name = on.current, on.equipment.clock, call.name
    if on.demands:
        _permit(on, call)
    passage = _passage(on, call.deployment)
    if on.tab is not None and (over := await _reserved(on, call, on.tab, passage)) is not None:
        return over
    reply: Reply | None = None
    failure: Failure | None = None
    pooled = name in current.pooled
    if pooled:
        on.equipment.loads.began(name)
    try:
        way = current.ways[call.deployment.provider]
        theirs, stream = on.caller.to_provider(call.deployment.dialect), on.request.stream
        body = passage.outbound(call.limit, way.limit_field)
        unsigned = way.request(passage.path(), call.deployment.model, theirs, body, stream=stream)
        call.sent_bytes = len(unsigned.body)
        request = way.credential.ready(unsigned) or await way.credential.sign(unsigned)
        call.sent = True
        reply = way.received(await on.equipment.transport.send(request, _patience(on)))
        status = reply.status
        call.replied, call.status = clock(), status
        if pooled:
            on.equipment.loads.answered(call, reply.headers, on.equipment.now_ms() / 1e3)
        if status != 200:
            if status == 401:
                way.credential.refused()
            said = scrubbed(await error_body(reply), request, unsigned)
            failure = refused(status, passage.refusal(status, said), reply.headers)
        elif stream and is_stream(reply, asked=True):
            failure = await _relay(on, call, passage, reply, client)
        else:
            body = await reply.read(current.body_bytes)
            failure = _whole(on, call, passage, reply, body, client)
        failure = _without_key(failure, request, unsigned)
    except UpstreamError as error:
        failure, call.sent = failed(error), error.sent
    except WireError as error:
        failure = Failure(str(error), kind="protocol")
    finally:
        call.ended = clock()
        _over(on, call, passage, reply)
    known = name in current.deployments  # names that clients make up are not remembered
    judge(on.equipment.breakers, call, failure, cut=call.broke_off, known=known, now_s=on.at_ms / 1e3)
    if failure is not None:
        on.failures.append((call, failure))
    return failure


def _without_key(failure: Failure | None, signed: Request, unsigned: Request) -> Failure | None:
    """Return a failure without the owner's key: an error inside a reply of status 200 can repeat it, too."""
    if failure is None or not failure.body:
        return failure
    return structs.replace(failure, body=scrubbed(failure.body, signed, unsigned))


async def _reserved(on: UnderWay, call: Call, tab: Tab, passage: Passage) -> Failure | None:
    """Reserve what a call may take; return the failure that it is where a budget does not allow it: no call is made."""
    over = await tab.reserve(call, on.request, len(on.body), passage.own_limit())
    if over is not None:
        on.calls.remove(call)
        on.failures.append((call, over))
    return over


def _over(on: UnderWay, call: Call, passage: Passage, reply: Reply | None) -> None:
    """Give back what a call held, however it ended."""
    call.lost = passage.lost
    if call.name in on.current.pooled:
        on.equipment.loads.ended(call.name)
    if reply is not None:
        reply.close()
    if on.tab is not None:
        on.tab.settle(call)


def head(on: UnderWay, call: Call, theirs: Headers, lost: tuple[str, ...] = ()) -> Headers:
    """Return the head of what goes to the client: the provider's own lines, then ours."""
    assert on.decision is not None  # noqa: S101 - nothing is called before
    lines = theirs + heads.ours(on.id, on.feature, on.decision, call.name, lost)
    if call.limit is not None:
        lines.append(b"x-pointsman-output-limit: %d\r\n" % call.limit)
    if on.caller.echo:
        lines.append(on.caller.echo)
    return lines


def _permit(on: UnderWay, call: Call) -> None:
    """Refuse a call to who may not see the request. Who decides leaves them out: this is the last door, for every path."""
    reason = permits.barred(call.deployment, on.demands)
    if reason is not None:
        on.calls.remove(call)
        raise GatewayError(403, "not_permitted", f"{call.deployment.name} {reason}")


def _passage(on: UnderWay, to: Deployment) -> Passage:
    """Return the way to a deployment and back; what somebody else sealed in this conversation stays behind."""
    before = on.equipment.conversations.holder(on.conversation)
    unseal = before not in (None, to.name) and sealed(on.read_whole())
    direct = to.dialect == on.entry.dialect and to.variant is None and not unseal
    return Passage(
        on.entry,
        on.request if direct else on.read_whole(),
        on.body,
        to,
        on.id,
        on.at_ms // 1000,
        asks_usage=on.current.ways[to.provider].asks_usage,
        unseal=unseal,
    )


def _patience(on: UnderWay) -> Timeouts:
    """Return how long a call may take: what the calls before it left of the whole."""
    timeouts = on.current.timeouts
    return timeouts if len(on.calls) == 1 else structs.replace(timeouts, total_s=max(on.time_left(), 0.001))


def _whole(on: UnderWay, call: Call, passage: Passage, reply: Reply, body: bytes, client: Client) -> Failure | None:
    """Answer with a reply that was read to its end, in the form that the client asked for."""
    streamed = is_stream(reply, asked=False)
    try:
        sent, said = passage.whole(body, streamed=streamed, graded=on.trial is not None or on.asking is not None)
    except WireError:
        status = passage.reported(body)
        if status is None:
            raise
        return refused(status, passage.refusal(status, body), reply.headers)
    on.take_turn(call)
    if not passage.readable:
        on.trial = None
    on.answer = said
    call.understand(said, len(body), on.request, ended=True)
    call.error, call.lost = "", passage.lost
    on.first_content = on.equipment.clock()
    on.outcome, on.status = "ok", 200
    if passage.passes(streamed=streamed):
        theirs = heads.to_client(reply.headers)
    else:
        theirs = heads.written_here(reply.headers, passage.content_type)
    client.answer(200, head(on, call, theirs, passage.lost), sent)
    return None


async def _relay(on: UnderWay, call: Call, passage: Passage, reply: Reply, client: Client) -> Failure | None:
    """Pass a stream on, frame by frame. What breaks before its first content is a failure, after it an error event."""
    relay = passage.relay(texts=on.trial is not None)
    flow = Flow(relay, client, partial(_begin, on, call, passage, reply, client))
    try:
        if not await flow.through(reply):
            return reported(relay, passage, reply)
        last = relay.end()
    except (UpstreamError, WireError) as error:
        if not relay.began:
            raise
        last = relay.end(str(error))
    finally:
        passage.note(relay)
        said = relay.answer
        call.understand(said, flow.size, on.request)
        if on.answered_by in (None, call):
            on.answer = said
    if not relay.began:
        return Failure(relay.broken, kind="protocol")
    _begin(on, call, passage, reply, client)
    call.broke_off = bool(relay.broken)
    on.outcome, call.error = ("cut", relay.broken) if relay.broken else ("ok", "")
    if not relay.whole_text:
        on.trial = None
    client.finish(last)
    return None


def _begin(on: UnderWay, call: Call, passage: Passage, reply: Reply, client: Client) -> None:
    """Begin the reply with the head of a stream, once."""
    if on.answered_by is not call:
        on.take_turn(call)
        on.first_content = on.equipment.clock()
        on.status = 200
        passes = passage.passes(streamed=True)
        theirs = heads.to_client(reply.headers) if passes else heads.written_here(reply.headers, passage.content_type)
        client.start(200, head(on, call, theirs, passage.lost))
