"""Where AWS keys come from: one function for each place, the same places and variables as AWS's own SDKs.

environment    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
web identity   AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN: roles of service accounts on EKS, exchanged at STS
profile        ~/.aws/credentials and ~/.aws/config, read again every minute, because tools put fresh keys there
container      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI (ECS), AWS_CONTAINER_CREDENTIALS_FULL_URI (EKS Pod Identity)
instance       the metadata service of EC2, version 2 (a session token first)

Not here: IAM Identity Center (SSO), ``credential_process`` and ``role_arn`` in profiles; a profile that has only these is
refused with a word on what to do.
(https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html)
"""

import asyncio
import configparser
import datetime as dt
import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from pointsman.upstream.credentials.fetching import Fetch, fetched, form, get, missing, read
from pointsman.upstream.credentials.sources import text_in
from pointsman.upstream.interfaces import Request
from pointsman.upstream.signing.sigv4 import Keys

AGAIN_S: Final = 60.0
"""Seconds for which keys from a file are used before it is read again."""

_ECS: Final = "http://169.254.170.2"
_METADATA: Final = "http://169.254.169.254"
_ROLES: Final = "/latest/meta-data/iam/security-credentials/"
_PLAIN_HOSTS: Final = frozenset(("localhost", "127.0.0.1", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"))
_NONE: Final = (
    "no AWS keys were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_BEARER_TOKEN_BEDROCK, or run "
    "`aws configure`"
)
_ROLE: Final = re.compile(r"[\w+=,.@-]+\Z")


class _Answer(Struct, rename="pascal"):
    """What containers and instances answer (``RoleArn`` and others are not needed)."""

    access_key_id: str
    secret_access_key: str
    token: str
    expiration: str


def of_environment(environ: Mapping[str, str]) -> Keys | None:
    """Return the keys in the environment, None where there are none."""
    access, secret = said(environ, "AWS_ACCESS_KEY_ID"), said(environ, "AWS_SECRET_ACCESS_KEY")
    return Keys(access, secret, said(environ, "AWS_SESSION_TOKEN")) if access and secret else None


def of_profile(name: str, environ: Mapping[str, str], now: float) -> Keys:
    """Return the keys of a profile. Raises UpstreamError where it has none."""
    keys = of_files(name, environ, now)
    if keys is None:
        raise missing(
            f"the AWS profile {name!r} has no keys of its own: run `aws configure --profile {name}`; of a profile with SSO "
            f"or a role, `aws configure export-credentials --profile {name} --format env` shows keys for the environment"
        )
    return keys


def of_files(name: str, environ: Mapping[str, str], now: float) -> Keys | None:
    """Return the keys of a profile, None where it has none."""
    home = environ.get("HOME", "~")
    files = (
        Path(said(environ, "AWS_SHARED_CREDENTIALS_FILE") or f"{home}/.aws/credentials"),
        Path(said(environ, "AWS_CONFIG_FILE") or f"{home}/.aws/config"),
    )
    for path, section in zip(files, (name, name if name == "default" else f"profile {name}"), strict=True):
        fields = _section(path, section)
        access, secret = fields.get("aws_access_key_id", ""), fields.get("aws_secret_access_key", "")
        if access and secret:
            return Keys(access, secret, fields.get("aws_session_token", ""), now + AGAIN_S)
    return None


def _section(path: Path, name: str) -> Mapping[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise missing(f"the AWS file {path} cannot be read ({reason}): check it") from None
    except configparser.Error:  # its words would repeat the line
        raise missing(f"the AWS file {path} has a line that cannot be read: check it") from None
    return parser[name] if parser.has_section(name) else {}


async def of_web_identity(environ: Mapping[str, str], region: str, fetch: Fetch) -> Keys | None:
    """Return keys of the role that a web identity may take, None where there is no such identity."""
    file, role = said(environ, "AWS_WEB_IDENTITY_TOKEN_FILE"), said(environ, "AWS_ROLE_ARN")
    if not file or not role:
        return None
    identity = await asyncio.to_thread(text_in, file, "AWS_WEB_IDENTITY_TOKEN_FILE")
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    endpoint = said(environ, "AWS_ENDPOINT_URL_STS") or f"https://sts.{region}.{suffix}"
    fields = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": said(environ, "AWS_ROLE_SESSION_NAME") or "pointsman",
        "WebIdentityToken": identity,
    }
    body = await fetched(fetch, form(f"{endpoint.rstrip('/')}/", fields), "AWS STS", f"check that {role} trusts it")
    text = body.decode(errors="replace")
    access, secret, token = (_element(text, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    return Keys(access, secret, token, _unix(_element(text, "Expiration"), "AWS STS"))


async def of_container(environ: Mapping[str, str], fetch: Fetch) -> Keys | None:
    """Return the keys of the container that this runs in, None where it has none."""
    relative, full = (said(environ, f"AWS_CONTAINER_CREDENTIALS_{kind}_URI") for kind in ("RELATIVE", "FULL"))
    if not relative and not full:
        return None
    url = f"{_ECS}{relative}" if relative else full
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _PLAIN_HOSTS:
        raise missing(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI leads elsewhere without TLS: use https, or an address of this host"
        )
    proof = said(environ, "AWS_CONTAINER_AUTHORIZATION_TOKEN")
    if file := said(environ, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        proof = await asyncio.to_thread(text_in, file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    headers = ((b"authorization", proof.encode()),) if proof else ()
    who = "the container's credential service"
    return _keys(await fetched(fetch, get(url, *headers), who, "check the task's or the pod's role"), who)


async def of_instance(environ: Mapping[str, str], fetch: Fetch) -> Keys:
    """Return the keys of the EC2 instance that this runs on. Raises UpstreamError where it is none, or has no role."""
    if said(environ, "AWS_EC2_METADATA_DISABLED").lower() == "true":
        raise missing(_NONE)
    host = (said(environ, "AWS_EC2_METADATA_SERVICE_ENDPOINT") or _METADATA).rstrip("/")
    who = "the instance's metadata service"
    asked = Request("PUT", f"{host}/latest/api/token", ((b"x-aws-ec2-metadata-token-ttl-seconds", b"21600"),), b"")
    proof = (b"x-aws-ec2-metadata-token", (await fetched(fetch, asked, who, _NONE)).strip())
    role = (
        (await fetched(fetch, get(host + _ROLES, proof), who, "give the instance a role")).decode(errors="replace").strip()
    )
    if not _ROLE.match(role):
        raise missing(f"{who} names no role: give the instance one")
    return _keys(await fetched(fetch, get(host + _ROLES + role, proof), who, "check the instance's role"), who)


def said(environ: Mapping[str, str], name: str) -> str:
    """Return a variable without the blanks around it, empty where it is not set."""
    return environ.get(name, "").strip()


def _keys(body: bytes, who: str) -> Keys:
    answer = read(body, _Answer, who)
    return Keys(answer.access_key_id, answer.secret_access_key, answer.token, _unix(answer.expiration, who))


def _element(text: str, name: str) -> str:
    found = re.search(rf"<{name}>([^<]+)</{name}>", text)
    if found is None:
        raise missing("AWS STS answered with something that is no set of keys: check AWS_ENDPOINT_URL_STS")
    return unescape(found.group(1)).strip()


def _unix(time: str, who: str) -> float:
    try:
        parsed = dt.datetime.fromisoformat(time)
    except ValueError:
        raise missing(f"{who} did not say until when its keys hold: check its address") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)).timestamp()
