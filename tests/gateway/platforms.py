"""What Bedrock checks and says, as a scripted upstream does it: signatures by the specification, and event streams.

``check_signature`` follows AWS's specification on what came over the wire, and knows nothing of ``upstream/signing``.
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)
"""

import hashlib
import hmac
import json
import re
from urllib.parse import quote

from msgspec.structs import replace
from tests.gateway.conftest import Received, Script, a_snapshot

from pointsman.core.routing import Provider
from pointsman.core.snapshot import Snapshot
from pointsman.wire.event_stream import framed

ACCESS, SECRET, SESSION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a-session-token"
EVENTS = b"application/vnd.amazon.eventstream"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>\w+)/aws4_request, "
    r"SignedHeaders=(?P<names>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


def check_signature(received: Received, *, region: str = "us-east-1") -> None:
    """Fail unless a request is signed as Bedrock wants it."""
    found = _AUTHORIZATION.fullmatch(received.headers["authorization"])
    assert found is not None
    assert (found["key"], found["region"], found["service"]) == (ACCESS, region, "bedrock")
    names = found["names"].split(";")
    assert {"host", "x-amz-date", "content-type"} <= set(names)
    assert ("x-amz-security-token" in names) == ("x-amz-security-token" in received.headers)
    path, _, query = received.target.partition("?")
    canonical = "\n".join(
        (
            "POST",
            quote(path, safe="/-_.~"),
            query,
            *(f"{name}:{received.headers[name]}" for name in names),
            "",
            found["names"],
            hashlib.sha256(received.body).hexdigest(),
        )
    )
    scope = f"{found['date']}/{region}/bedrock/aws4_request"
    stamp = received.headers["x-amz-date"]
    assert stamp.startswith(found["date"])
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for step in scope.split("/"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    assert found["signature"] == hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def at(port: int, provider: Provider, model: str) -> Snapshot:
    """One provider of a platform as ``p1``, its address replaced by a loopback port, and ``auto`` on one model of it."""
    snapshot = a_snapshot(port)
    path = "/" + "/".join(provider.base_url.split("/")[3:])
    row = replace(provider, name="p1", base_url=f"http://127.0.0.1:{port}{path}".rstrip("/"))
    one = replace(snapshot.deployments["p1/model-1"], model=model, dialect=provider.dialect)
    return replace(snapshot, providers={"p1": row}, deployments={"p1/model-1": one})


def message(name: str, payload: object) -> bytes:
    """One event of an event stream."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return framed(headers, json.dumps(payload).encode())


def exception(name: str, words: str) -> bytes:
    """An exception within an event stream."""
    return framed({":exception-type": name, ":message-type": "exception"}, json.dumps({"message": words}).encode())


def event_stream(*messages: bytes) -> Script:
    """Return a script that streams messages, each in two chunks, and ends."""

    async def script(received: Received) -> None:
        await received.begin(EVENTS)
        for one in messages:
            await received.send(one[:13], one[13:])
        await received.end()

    return script
