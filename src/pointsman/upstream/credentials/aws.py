"""Requests to Amazon Bedrock, signed: ``aws``, or ``aws:PROFILE``.

Strategy: without a profile, AWS_BEARER_TOKEN_BEDROCK where it is set, as AWS's SDKs do; else the first place that has keys
(``aws_keys``). With a profile, that profile alone. The region is the one in the provider's address, else AWS_REGION.
"""

import asyncio
import datetime as dt
import re
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from pointsman.upstream.credentials import aws_keys
from pointsman.upstream.credentials.aws_keys import said
from pointsman.upstream.credentials.fetching import Fetch, missing
from pointsman.upstream.credentials.kept import Kept
from pointsman.upstream.interfaces import Request
from pointsman.upstream.signing.sigv4 import Keys, signed

SERVICE: Final = "bedrock"
BEARER: Final = "AWS_BEARER_TOKEN_BEDROCK"

_REGION: Final = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")


class SignedForAws:
    """Signature Version 4 with keys that are kept until they expire. ``now`` is Unix seconds."""

    def __init__(
        self, base_url: str, profile: str, environ: Mapping[str, str], fetch: Fetch, now: Callable[[], float] = time.time
    ) -> None:
        self._profile = profile
        self._environ = environ
        self._fetch = fetch
        self._now = now
        self._region = region_of(base_url, environ)
        self._kept = Kept(self._keys, now)

    def __repr__(self) -> str:
        return f"SignedForAws({self._profile or 'default chain'}, {self._region or 'no region'})"

    def ready(self, request: Request) -> None:
        """Nothing: keys may have to be looked for."""

    def refused(self) -> None:
        """Look for keys again with the next request."""
        self._kept.doubt()

    async def sign(self, request: Request) -> Request:
        """Return the request with its signature. Raises UpstreamError ``credential``."""
        token = "" if self._profile else said(self._environ, BEARER)
        if token:
            others = tuple([field for field in request.headers if field[0] != b"authorization"])
            return msgspec.structs.replace(request, headers=(*others, (b"authorization", f"Bearer {token}".encode())))
        if not self._region:
            raise missing("the AWS region is not known: put it into base_url, or export AWS_REGION=... and start again")
        keys = await self._kept.get()
        now = dt.datetime.fromtimestamp(self._now(), dt.UTC)
        return signed(request, keys, region=self._region, service=SERVICE, now=now)

    async def _keys(self) -> Keys:
        environ, now = self._environ, self._now()
        if self._profile:
            return await asyncio.to_thread(aws_keys.of_profile, self._profile, environ, now)
        if keys := aws_keys.of_environment(environ):
            return keys
        if keys := await aws_keys.of_web_identity(environ, self._region, self._fetch):
            return keys
        named = said(environ, "AWS_PROFILE")
        in_files = aws_keys.of_profile if named else aws_keys.of_files
        if keys := await asyncio.to_thread(in_files, named or "default", environ, now):
            return keys
        return await aws_keys.of_container(environ, self._fetch) or await aws_keys.of_instance(environ, self._fetch)


def region_of(base_url: str, environ: Mapping[str, str]) -> str:
    """Return the region in Bedrock's address (a VPC endpoint's too), else that of the environment, else nothing."""
    found = _REGION.search(urlsplit(base_url).hostname or "")
    return found.group(1) if found else said(environ, "AWS_REGION") or said(environ, "AWS_DEFAULT_REGION")
