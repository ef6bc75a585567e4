"""One client request, straight down: from its bytes to its record.

    bytes -> ChatRequest -> target -> context -> Decision -> call -> (retry, fallbacks) -> bytes -> ExchangeRecord

Laws:
- The snapshot is taken once, at the start. The decision is made once; a retry and a fallback are calls, not draws.
- Nothing is tried again once a byte of content has gone to the client; a stream that breaks then ends with an error event.
- The client hangs up: whatever is awaited is cancelled at once, and the record is written all the same.
- The record, and a sample for a trial, are made after the last byte has gone to the client.
- Where every call failed, the client gets what the last one brought: the provider's own status and words.
- What is sealed by one deployment never goes to another: it is left out, and named.
"""

import asyncio
from functools import partial
from typing import Literal

from msgspec import structs

from pointsman.core.chat import ChatRequest
from pointsman.core.errors import GatewayError, UpstreamError, WireError
from pointsman.core.record import Cause, ExchangeRecord
from pointsman.core.routing import Context, Decision, Deployment, Needs, Plan, Route
from pointsman.gateway import heads, sampling
from pointsman.gateway.answer import refuse
from pointsman.gateway.asking import Asking, Held, begin
from pointsman.gateway.attempt import Call, Failure, error_body, failed, is_stream, judge, refused
from pointsman.gateway.caller import Caller
from pointsman.gateway.courses import Place
from pointsman.gateway.equipment import Equipment
from pointsman.gateway.flow import Flow
from pointsman.gateway.live import Current
from pointsman.gateway.needs import needs_of
from pointsman.gateway.passage import Passage, reported
from pointsman.gateway.server.message import Client, Headers, line
from pointsman.policy import decide, features, fitness, naming
from pointsman.policy.conversation import acting
from pointsman.policy.decide import State
from pointsman.policy.naming import Target
from pointsman.upstream.interfaces import Reply, Timeouts
from pointsman.wire.answer import Answer
from pointsman.wire.openai_chat.request import glance
from pointsman.wire.seals import reply_name, sealed

Outcome = Literal["ok", "error", "client_gone", "cut"]
CLIENT_GONE = 499  # nginx's status for it; no client ever sees it


class Exchange:
    """One request under way. ``serve`` is its whole life."""

    def __init__(self, equipment: Equipment, current: Current, caller: Caller, body: bytes) -> None:
        self._with = equipment
        self._current = current
        self._caller = caller
        self._body = body
        self._started = equipment.clock()
        self._at_ms = equipment.now_ms()
        self._id = equipment.ids.next(self._at_ms)
        self._entry = entry = caller.entry
        self._dialect = dialect = caller.dialect
        self._glanced = dialect.name == "openai_chat"  # where the bytes go on as they came, a glance is enough
        self._request = request = glance(body) if self._glanced else dialect.request.decode(body, entry.address)
        self._feature = caller.feature_of(request)
        self._route, self._vector, self._encoding = "", b"", b""
        self._decision: Decision | None = None
        self._trial: sampling.Standing | None = None
        self._asking: Asking | None = None
        self._place: Place | None = None
        self._memory = equipment.conversations
        self._named = caller.conversation_of(request)
        self._conversation = ""
        self._calls: list[Call] = []
        self._outcome: Outcome = "error"
        self._status = 500
        self._first_content: float | None = None
        self._answer: Answer | None = None

    async def serve(self, client: Client) -> None:
        """Answer the client, then keep the record. Raises nothing that the client caused but its own cancellation."""
        try:
            if self._current.encoder is not None:
                route = self._current.target(self._request.model)[0].route
                self._encoding = await self._current.encoder.encode(route, self._feature, self._request)
            failure = await self._ask(self._decide(), client)
            if failure is not None:
                self._pass_on(failure, client)
        except asyncio.CancelledError:
            began = self._first_content is not None
            if client.gone:
                self._outcome = "client_gone"
                self._status = self._status if began else CLIENT_GONE
            elif began:
                self._outcome = "cut"  # by us: the process ends, or the client had stopped reading
            raise
        except WireError:
            self._status = 400
            raise
        except GatewayError as error:
            self._status = error.status
            refuse(client, error, self._dialect.errors, [line(b"x-pointsman-exchange", self._id.encode())])
        finally:
            self._keep()

    # Deciding.

    def _decide(self) -> Decision:
        current, request = self._current, self._request
        self._conversation = self._memory.name(self._named, request, plain=current.plain)
        target, decision = current.target(request.model)
        self._decision = decision or self._choose(target)
        if current.trials and self._asking is None:
            trial = sampling.wanted(current.trials, self._route, self._feature, self._decision)
            if trial is not None and self._with.draw() < trial.share:
                self._trial = trial
        return self._decision

    def _choose(self, target: Target) -> Decision:
        """Decide between deployments."""
        current, request = self._current, self._request
        policy = plan = None
        between: tuple[str, ...] = ()
        if target.route is not None:
            self._route = target.route.name
            plan = naming.plan_for(target.route, self._feature)
            policy, between = current.policies.get(plan.policy or self._route), acting(target.route, plan)
        if policy is not None:
            self._vector = features.vector(request)
        now = self._with.clock()
        tags = self._caller.tags_of(request) if policy is not None else ()
        vector, closed = self._vector + self._encoding, self._caller.no_explore(request)
        needs = fitness.bounded(self._needs(target.route), plan, self._request, len(self._body))
        context = Context(self._feature, needs, vector, request.stream, tags=tags, no_explore=closed)
        if between:
            self._place = self._with.courses.place(self._named, self._request, context, current.snapshot, between, now)
            context = self._place.context
        state = self._state(now, target.route, plan)
        try:
            decision = decide.decide(current.snapshot, target, policy, context, state, self._with.draw())
        except GatewayError as error:
            if error.retry_after is not None:
                error.retry_after = max(error.retry_after, self._with.breakers.wait_s(now))
            raise
        if plan is not None:
            self._with.allowance.promise(self._id, decision, plan, current.snapshot, context.needs)
        if self._route in current.askings and target.route is not None and state.course is None:
            whole = self._read_whole()
            decision, self._asking = begin(current, target.route, self._feature, whole, decision)
        return decision

    def _state(self, now: float, route: Route | None, plan: Plan | None) -> State:
        """Return what is known now; how busy who is, only where deployments share requests."""
        cooling, pace = self._with.breakers.cooling(now), self._with.paces.factor(route)
        speeds = self._with.speeds.now(now) if self._route in self._current.timed else {}
        course = self._place.course if self._place is not None else None
        loads = self._with.loads.now(now) if self._current.pooled else {}
        holder = course.deployment if course is not None else self._memory.holder(self._conversation) or ""
        left = self._with.allowance.left(plan, self._at_ms) if plan is not None and plan.explore is not None else 0
        return State(cooling, self._current.hash, loads, holder, pace, speeds, course, left)

    def _needs(self, route: Route | None) -> Needs:
        """Return what the request needs, read whole where more than its own words may matter."""
        if self._current.plain:
            return fitness.needs_of(self._request)
        return needs_of(self._read_whole(), self._current, self._memory, route, self._feature)

    def _read_whole(self) -> ChatRequest:
        """Return the whole request where only a glance was taken of it. Raises WireError."""
        if self._glanced:
            self._request, self._glanced = self._dialect.request.decode(self._body, self._entry.address), False
        return self._request

    # Calling.

    def _pass_on(self, failure: Failure, client: Client) -> None:
        """Answer with what the last call brought. Raises GatewayError where its provider said nothing."""
        call = self._calls[-1]
        if not failure.body:
            raise failure.error(call.deployment.name)
        self._status = failure.status
        client.answer(failure.status, self._head(call, heads.of_refusal(failure.status, failure.headers)), failure.body)

    async def _ask(self, decision: Decision, client: Client) -> Failure | None:
        """Ask the chosen deployment, then its fallbacks, until one answers or the fault is the request's own."""
        failure: Failure | None = None
        names = (decision.chosen, *decision.fallbacks)
        if self._asking is not None:
            failure = await self._asking.through(self._hold, self._time_left)
            if self._give(self._asking.given, client) or (failure is not None and not failure.elsewhere):
                return failure
            names = tuple(name for name in names if all(call.deployment.name != name for call in self._calls))
        for name in names:
            failure = await self._attempt(name, "fallback" if self._calls else "first", client)
            if failure is not None and failure.again and self._time_left():
                failure = await self._attempt(name, "retry", client)
            if failure is None or not failure.elsewhere or not self._time_left():
                break
        return failure

    async def _hold(self, name: str, cause: Cause, held: Held) -> Failure | None:
        """Make one call whose answer is not given yet."""
        failure = await self._attempt(name, cause, held)
        if failure is None:
            held.call, held.said = self._calls[-1], self._answer
        self._outcome, self._status, self._first_content = "error", 500, None
        return failure

    def _give(self, held: Held | None, client: Client) -> bool:
        """Give an answer that was held, if there is one."""
        if held is None:
            return False
        self._answer, self._outcome, self._status = held.said, "ok", held.status
        self._first_content = self._with.clock()
        client.answer(held.status, held.headers, held.body)
        return True

    async def _attempt(self, name: str, cause: Cause, client: Client) -> Failure | None:
        """Make one call and, where it brings an answer, answer the client with it."""
        current, clock = self._current, self._with.clock
        began = clock()
        call = Call(current.deployment(name), cause, began, self._at_ms + int((began - self._started) * 1e3))
        self._calls.append(call)
        passage = self._passage(call.deployment)
        reply: Reply | None = None
        failure: Failure | None
        pooled = name in current.pooled
        if pooled:
            self._with.loads.began(name)
        try:
            way = current.ways[call.deployment.provider]
            theirs, stream = self._caller.to_provider(call.deployment.dialect), self._request.stream
            unsigned = way.request(passage.path(), call.deployment.model, theirs, passage.outbound(), stream=stream)
            request = way.credential.ready(unsigned) or await way.credential.sign(unsigned)
            reply = way.received(await self._with.transport.send(request, self._patience()))
            call.replied, call.status = clock(), reply.status
            if pooled:
                self._with.loads.answered(call, reply.headers, self._with.now_ms() / 1e3)
            if reply.status != 200:
                failure = refused(reply.status, passage.refusal(reply.status, await error_body(reply)), reply.headers)
            elif self._request.stream and is_stream(reply, asked=True):
                failure = await self._relay(call, passage, reply, client)
            else:
                body = await reply.read(current.snapshot.limits.body_bytes)
                failure = self._whole(call, passage, reply, body, client)
        except UpstreamError as error:
            failure = failed(error)
        except WireError as error:
            failure = Failure(str(error), kind="protocol")
        finally:
            call.ended = clock()
            call.lost = passage.lost
            if pooled:
                self._with.loads.ended(name)
            if reply is not None:
                reply.close()
        known = name in current.snapshot.deployments  # names that clients make up are not remembered
        judge(self._with.breakers, call, failure, cut=self._outcome == "cut", known=known, now_s=self._at_ms / 1e3)
        return failure

    def _passage(self, to: Deployment) -> Passage:
        """Return the way to a deployment and back; what somebody else sealed in this conversation stays behind."""
        before = self._memory.holder(self._conversation)
        unseal = before not in (None, to.name) and sealed(self._read_whole())
        direct = to.dialect == self._entry.dialect and to.variant is None and not unseal
        return Passage(
            self._entry,
            self._request if direct else self._read_whole(),
            self._body,
            to,
            self._id,
            self._at_ms // 1000,
            asks_usage=self._current.ways[to.provider].asks_usage,
            unseal=unseal,
        )

    def _patience(self) -> Timeouts:
        """Return how long a call may take: what the calls before it left of the whole."""
        timeouts = self._current.timeouts
        return timeouts if len(self._calls) == 1 else structs.replace(timeouts, total_s=max(self._time_left(), 0.001))

    # Answering.

    def _whole(self, call: Call, passage: Passage, reply: Reply, body: bytes, client: Client) -> Failure | None:
        """Answer with a reply that was read to its end, in the form that the client asked for."""
        streamed = is_stream(reply, asked=False)
        try:
            sent, said = passage.whole(body, streamed=streamed, graded=self._trial is not None or self._asking is not None)
        except WireError:
            status = passage.reported(body)
            if status is None:
                raise
            return refused(status, passage.refusal(status, body), reply.headers)
        if not passage.readable:
            self._trial = None
        self._answer = said
        call.understand(said, len(body), self._request)
        call.error, call.lost = "", passage.lost
        self._first_content = self._with.clock()
        self._outcome, self._status = "ok", 200
        if passage.passes(streamed=streamed):
            head = heads.to_client(reply.headers)
        else:
            head = heads.written_here(reply.headers, passage.content_type)
        client.answer(200, self._head(call, head, passage.lost), sent)
        return None

    async def _relay(self, call: Call, passage: Passage, reply: Reply, client: Client) -> Failure | None:
        """Pass a stream on, frame by frame. What breaks before its first content is a failure, after it an error event."""
        relay = passage.relay(texts=self._trial is not None)
        flow = Flow(relay, client, partial(self._begin, call, passage, reply, client))
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
            self._answer = relay.answer
            call.understand(relay.answer, flow.size, self._request)
        if not relay.began:
            return Failure(relay.broken, kind="protocol")
        self._begin(call, passage, reply, client)
        self._outcome, call.error = ("cut", relay.broken) if relay.broken else ("ok", "")
        if not relay.whole_text:
            self._trial = None
        client.finish(last)
        return None

    def _begin(self, call: Call, passage: Passage, reply: Reply, client: Client) -> None:
        """Begin the reply with the head of a stream, once."""
        if self._first_content is None:
            self._first_content = self._with.clock()
            self._status = 200
            passes = passage.passes(streamed=True)
            head = heads.to_client(reply.headers) if passes else heads.written_here(reply.headers, passage.content_type)
            client.start(200, self._head(call, head, passage.lost))

    def _head(self, call: Call, theirs: Headers, lost: tuple[str, ...] = ()) -> Headers:
        assert self._decision is not None  # noqa: S101 - nothing is called before
        return theirs + heads.ours(self._id, self._feature, self._decision, call.deployment.name, lost)

    def _time_left(self) -> float:
        """Seconds that this exchange may still take; 0 when its time is over."""
        return max(self._current.timeouts.total_s - (self._with.clock() - self._started), 0.0)

    # Keeping.

    def _keep(self) -> None:
        """Queue the record, and offer the sample that was drawn for a trial."""
        snapshot, calls, key = self._current.snapshot, self._calls, self._caller.key
        ended = calls[-1].ended if calls else self._with.clock()
        later = snapshot.store_vectors and not self._vector
        record = ExchangeRecord(
            id=self._id,
            at_ms=self._at_ms,
            asked=self._request.model,
            feature=self._feature,
            outcome=self._outcome,
            status=self._status,
            decision=self._decision,
            attempts=tuple([call.attempt() for call in calls]),
            route=self._route,
            streamed=self._request.stream,
            conversation=self._named,
            client_key=key.name if key is not None else "",
            latency_ms=(ended - self._started) * 1e3,
            first_content_ms=None if self._first_content is None else (self._first_content - self._started) * 1e3,
            vector=self._vector if snapshot.store_vectors else b"",
            prompt=self._request.transcript if snapshot.store_prompts else "",
            client_id=self._caller.client_id,
            customer=self._caller.customer_of(self._request),
        )
        self._with.journal.put(record, self._request if later else None, len(self._body))
        if self._route:
            self._with.paces.note(snapshot.routes[self._route], record)
            self._with.allowance.settle(record)
        if self._current.timed:
            self._with.speeds.note(record, ended)
        served = record.served_by
        if served is not None:
            self._remember(served.deployment)
        if self._place is not None:
            self._with.courses.note(self._place, record, calls[-1].started if calls else self._started)
        if self._trial is not None and self._outcome == "ok":
            self._sample(self._trial, record)

    def _remember(self, served: str) -> None:
        """Note who answered, under the conversation's name and the reply's own."""
        self._memory.remember(self._conversation, served)
        if self._answer is not None and self._entry.dialect == "openai_responses":
            self._memory.remember(reply_name(self._answer.id), served)

    def _sample(self, trial: sampling.Standing, record: ExchangeRecord) -> None:
        said, expected = self._answer, self._caller.expected()
        found = said and sampling.sample(trial, record, said, self._body, expected, self._entry.dialect)
        if found:
            self._with.offer(structs.replace(found, vector=self._vector or features.vector(self._request)))
