"""Requests to Bedrock, signed with keys from every place, and the order of these places."""

import datetime as dt
import json
from pathlib import Path

import pytest
from tests.upstream.credentials.conftest import Answer, Call, Clock, Endpoint, shown

from pointsman.core.errors import UpstreamError
from pointsman.core.routing import Provider
from pointsman.upstream.credentials import Fetch, credential_for, credentials
from pointsman.upstream.credentials.aws import region_of
from pointsman.upstream.interfaces import Credential, Request
from pointsman.upstream.signing.sigv4 import Keys, signed

URL = "https://bedrock-runtime.eu-west-3.amazonaws.com"
REQUEST = Request("POST", f"{URL}/model/a.b-v1%3A0/converse", ((b"content-type", b"application/json"),), b"{}")
ENVIRON = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "s-secret"}
ENDS = "2027-01-15T08:10:00Z"  # ten minutes after the clock's start


def provider(credential: str = "aws", url: str = URL) -> Provider:
    return Provider("bedrock", url, credential, "bedrock_converse")


async def used(credential: Credential) -> tuple[str, str]:
    """Return access key and session token of a request that the credential signs."""
    headers = dict((await credential.sign(REQUEST)).headers)
    start = b"AWS4-HMAC-SHA256 Credential="
    assert headers[b"authorization"].startswith(start)
    access, *_ = headers[b"authorization"].removeprefix(start).decode().split("/")
    return access, headers.get(b"x-amz-security-token", b"").decode()


async def test_keys_of_the_environment_sign(clock: Clock) -> None:
    credential = credential_for(provider(), {**ENVIRON, "AWS_SESSION_TOKEN": "st-secret"}, now=clock)
    found = await credential.sign(REQUEST)
    now = dt.datetime.fromtimestamp(clock.now, dt.UTC)
    keys = Keys("AKIAENV", "s-secret", "st-secret")
    assert found == signed(REQUEST, keys, region="eu-west-3", service="bedrock", now=now)
    assert "secret" not in shown(credential, found, keys)


async def test_a_bearer_token_is_preferred_but_not_to_a_named_profile(tmp_path: Path) -> None:
    environ = {**ENVIRON, "AWS_BEARER_TOKEN_BEDROCK": "bt", "AWS_SHARED_CREDENTIALS_FILE": str(profile(tmp_path, "work"))}
    found = await credential_for(provider(), environ).sign(REQUEST)
    assert dict(found.headers)[b"authorization"] == b"Bearer bt"
    assert await used(credential_for(provider("aws:work"), environ)) == ("AKIAwork", "t")


@pytest.mark.parametrize(
    ("url", "environ", "region"),
    [
        (URL, {"AWS_REGION": "us-east-1"}, "eu-west-3"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", {}, "us-gov-west-1"),
        ("https://vpce-1-a.bedrock-runtime.us-east-2.vpce.amazonaws.com", {}, "us-east-2"),
        ("https://proxy.example", {"AWS_REGION": "us-east-1"}, "us-east-1"),
        ("https://proxy.example", {"AWS_DEFAULT_REGION": "us-east-1"}, "us-east-1"),
        ("https://proxy.example", {}, ""),
    ],
)
def test_the_region(url: str, environ: dict[str, str], region: str) -> None:
    assert region_of(url, environ) == region


async def test_without_a_region_the_request_fails() -> None:
    with pytest.raises(UpstreamError, match="AWS region is not known") as caught:
        await credential_for(provider(url="https://proxy.example"), ENVIRON).sign(REQUEST)
    assert caught.value.kind == "credential"


def profile(tmp_path: Path, name: str, access: str = "") -> Path:
    path = tmp_path / "credentials"
    path.write_text(
        f"[{name}]\naws_access_key_id = {access or 'AKIA' + name}\naws_secret_access_key = s%secret\naws_session_token=t\n"
    )
    return path


async def test_a_profile_is_read_again_every_minute(tmp_path: Path, clock: Clock) -> None:
    environ = {"AWS_SHARED_CREDENTIALS_FILE": str(profile(tmp_path, "work"))}
    credential = credential_for(provider("aws:work"), environ, now=clock)
    assert await used(credential) == ("AKIAwork", "t")
    profile(tmp_path, "work", "AKIAnew")
    assert await used(credential) == ("AKIAwork", "t")
    clock.now += 60
    assert await used(credential) == ("AKIAnew", "t")


async def test_profiles_are_found_where_aws_puts_them(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    profile(tmp_path / ".aws", "default")
    (tmp_path / ".aws/config").write_text("[profile other]\naws_access_key_id=AKIAo\naws_secret_access_key=s\n")
    environ = {"HOME": str(tmp_path)}
    assert await used(credential_for(provider(), environ)) == ("AKIAdefault", "t")
    assert await used(credential_for(provider(), {**environ, "AWS_PROFILE": "other"})) == ("AKIAo", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[work]\nsso_start_url = x\n", "has no keys of its own: run `aws configure --profile work`"),
        ("", "has no keys of its own"),
        ("aws_secret_access_key = s-secret\n", "has a line that cannot be read"),
        (None, "has no keys of its own"),
    ],
)
async def test_a_profile_without_keys_says_so(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "credentials"
    if content is not None:
        path.write_text(content)
    environ = {"AWS_SHARED_CREDENTIALS_FILE": str(path), "HOME": str(tmp_path)}
    with pytest.raises(UpstreamError, match=words) as caught:
        await credential_for(provider("aws:work"), environ).sign(REQUEST)
    assert "s-secret" not in shown(caught.value)


def keys(access: str) -> bytes:
    return json.dumps(
        {"AccessKeyId": access, "SecretAccessKey": "s-secret", "Token": "st", "Expiration": ENDS, "Code": "Success"}
    ).encode()


async def test_a_container_asks_its_service(tmp_path: Path, endpoint: Endpoint, fetch: Fetch, clock: Clock) -> None:
    endpoint.answer = lambda _: (200, keys("ASIAcontainer"))
    (tmp_path / "token").write_text("proof\n")
    environ = {
        "HOME": str(tmp_path),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{endpoint.url}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
    }
    credential = credential_for(provider(), environ, fetch, clock)
    assert await used(credential) == ("ASIAcontainer", "st")
    await used(credential)
    (call,) = endpoint.calls
    assert (call.method, call.target, call.headers["authorization"]) == ("GET", "/v1/credentials", "proof")
    clock.now += 600
    await used(credential)
    assert len(endpoint.calls) == 2, "they had expired"


async def test_a_containers_keys_are_not_asked_of_anybody(tmp_path: Path, fetch: Fetch) -> None:
    environ = {"HOME": str(tmp_path), "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://elsewhere.example/keys"}
    with pytest.raises(UpstreamError, match="without TLS"):
        await credential_for(provider(), environ, fetch).sign(REQUEST)


async def test_an_instance_asks_its_metadata_service(tmp_path: Path, endpoint: Endpoint, fetch: Fetch, clock: Clock) -> None:
    def answer(call: Call) -> Answer:
        role = "/latest/meta-data/iam/security-credentials/"
        if call.method == "PUT":
            return 200, b"imds-token"
        return 200, {role: b"my-role\n", f"{role}my-role": keys("ASIAinstance")}[call.target]

    endpoint.answer = answer
    environ = {"HOME": str(tmp_path), "AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint.url}
    assert await used(credential_for(provider(), environ, fetch, clock)) == ("ASIAinstance", "st")
    asked, *others = endpoint.calls
    assert asked.headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
    assert [call.headers["x-aws-ec2-metadata-token"] for call in others] == ["imds-token"] * 2


STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult><Credentials>
    <SessionToken>st&amp;</SessionToken><SecretAccessKey>s-secret</SecretAccessKey>
    <Expiration>2027-01-15T08:10:00Z</Expiration><AccessKeyId>ASIAweb</AccessKeyId>
  </Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""


async def test_a_web_identity_takes_its_role(tmp_path: Path, endpoint: Endpoint, fetch: Fetch, clock: Clock) -> None:
    endpoint.answer = lambda _: (200, STS.encode())
    (tmp_path / "identity").write_text("jwt-secret\n")
    environ = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "identity"),
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
        "AWS_ENDPOINT_URL_STS": endpoint.url,
    }
    assert await used(credential_for(provider(), environ, fetch, clock)) == ("ASIAweb", "st&")
    assert endpoint.calls[0].form == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": "arn:aws:iam::1:role/r",
        "RoleSessionName": "pointsman",
        "WebIdentityToken": "jwt-secret",
    }


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((403, b"<Error>s-secret</Error>"), r"status 403: check that arn:aws:iam::1:role/r trusts it"),
        ((200, b"<Error>s-secret</Error>"), "no set of keys"),
        ((200, STS.replace("2027-01-15T08:10:00Z", "soon").encode()), "until when"),
    ],
)
async def test_an_identity_that_is_refused(
    tmp_path: Path, endpoint: Endpoint, fetch: Fetch, answer: Answer, words: str
) -> None:
    endpoint.answer = lambda _: answer
    (tmp_path / "identity").write_text("jwt-secret")
    environ = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "identity"),
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
        "AWS_ENDPOINT_URL_STS": endpoint.url,
    }
    with pytest.raises(UpstreamError, match=words) as caught:
        await credential_for(provider(), environ, fetch).sign(REQUEST)
    assert "secret" not in shown(caught.value)


async def test_no_keys_anywhere_is_said_with_what_to_do(tmp_path: Path, fetch: Fetch) -> None:
    environ = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    with pytest.raises(UpstreamError, match="no AWS keys were found: set AWS_ACCESS_KEY_ID") as caught:
        await credential_for(provider(), environ, fetch).sign(REQUEST)
    assert (caught.value.kind, caught.value.sent) == ("credential", False)


async def test_the_same_provider_keeps_its_credential(fetch: Fetch) -> None:
    known = credentials(fetch, ENVIRON)
    assert known(provider()) is known(provider())
    assert known(provider()) is not known(provider(url="https://bedrock-runtime.us-east-1.amazonaws.com"))
