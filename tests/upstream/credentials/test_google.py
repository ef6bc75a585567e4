"""Google's application default credentials, each kind against a token endpoint on a real socket."""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as elliptic
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.upstream.credentials.conftest import Answer, Call, Clock, Endpoint, shown

from pointsman.core.errors import UpstreamError
from pointsman.core.routing import Provider
from pointsman.upstream.credentials import Fetch, credential_for
from pointsman.upstream.interfaces import Request

REQUEST = Request("POST", "https://a.example/v1", ((b"authorization", b"Bearer client"),), b"{}")
TOKEN = "ya29.secret-token"


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def granted(_: Call) -> Answer:
    return 200, json.dumps({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}).encode()


def account(endpoint: Endpoint, private_key: str) -> dict[str, str]:
    return {
        "type": "service_account",
        "client_email": "me@project.example",
        "private_key": private_key,
        "private_key_id": "key-1",
        "token_uri": f"{endpoint.url}/token",
    }


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "adc.json"
    path.write_text(json.dumps(content) if not isinstance(content, str) else content)
    return path


def provider(credential: str = "adc") -> Provider:
    return Provider("vertex", "https://aiplatform.googleapis.com/v1", credential, "gemini")


async def test_a_service_account_signs_for_itself(
    tmp_path: Path, endpoint: Endpoint, fetch: Fetch, clock: Clock, key: RSAPrivateKey
) -> None:
    endpoint.answer = granted
    path = written(tmp_path, account(endpoint, pem(key)))
    credential = credential_for(provider(), {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}, fetch, clock)
    signed = await credential.sign(REQUEST)
    assert signed.headers == ((b"authorization", f"Bearer {TOKEN}".encode()),)
    assert (await credential.sign(REQUEST)).headers == signed.headers
    (call,) = endpoint.calls
    assert (call.method, call.target) == ("POST", "/token")
    assert call.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    head, claims, signature = (urlsafe_b64decode(part + "==") for part in call.form["assertion"].split("."))
    assert json.loads(head) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    assert json.loads(claims) == {
        "iss": "me@project.example",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": f"{endpoint.url}/token",
        "iat": 1_800_000_000,
        "exp": 1_800_003_600,
    }
    key.public_key().verify(signature, call.form["assertion"].rpartition(".")[0].encode(), PKCS1v15(), SHA256())
    assert TOKEN not in shown(credential, signed)
    clock.now += 3599
    await credential.sign(REQUEST)
    assert len(endpoint.calls) == 2, "it had expired"


async def test_a_users_refresh_token_is_exchanged(tmp_path: Path, endpoint: Endpoint, fetch: Fetch) -> None:
    endpoint.answer = granted
    user = {
        "type": "authorized_user",
        "client_id": "c",
        "client_secret": "cs",
        "refresh_token": "rt",
        "quota_project_id": "p",
        "token_uri": f"{endpoint.url}/token",
    }
    credential = credential_for(provider(f"adc:{written(tmp_path, user)}"), {}, fetch)
    assert (await credential.sign(REQUEST)).headers[1:] == ((b"x-goog-user-project", b"p"),)
    assert endpoint.calls[0].form == {
        "grant_type": "refresh_token",
        "client_id": "c",
        "client_secret": "cs",
        "refresh_token": "rt",
    }


async def test_what_gcloud_wrote_is_found(tmp_path: Path, endpoint: Endpoint, fetch: Fetch) -> None:
    endpoint.answer = granted
    user = {"type": "authorized_user", "refresh_token": "rt", "token_uri": endpoint.url}
    written(tmp_path, user).rename(tmp_path / "application_default_credentials.json")
    await credential_for(provider(), {"CLOUDSDK_CONFIG": str(tmp_path)}, fetch).sign(REQUEST)
    assert endpoint.calls[0].form["refresh_token"] == "rt"


async def test_a_machine_asks_its_metadata_server(tmp_path: Path, endpoint: Endpoint, fetch: Fetch) -> None:
    endpoint.answer = granted
    environ = {"GCE_METADATA_HOST": endpoint.url.removeprefix("http://"), "HOME": str(tmp_path)}
    signed = await credential_for(provider(), environ, fetch).sign(REQUEST)
    assert signed.headers == ((b"authorization", f"Bearer {TOKEN}".encode()),)
    (call,) = endpoint.calls
    assert (call.method, call.headers["metadata-flavor"]) == ("GET", "Google")
    assert call.target == "/computeMetadata/v1/instance/service-accounts/default/token"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("not JSON", "holds no Google credentials"),
        ({"type": "external_account"}, r"not supported \(external_account\)"),
        ({"type": "service_account", "private_key": "SECRET-KEY"}, "cannot be read"),
        ({"type": "service_account", "private_key": pem(elliptic(SECP256R1()))}, "not an RSA key"),
    ],
)
async def test_a_file_that_is_no_use_says_so(tmp_path: Path, fetch: Fetch, content: Any, words: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UpstreamError, match=words) as caught:
        await credential_for(provider(f"adc:{path}"), {}, fetch).sign(REQUEST)
    assert (caught.value.kind, caught.value.sent) == ("credential", False)
    assert str(path) in str(caught.value)
    assert "SECRET" not in shown(caught.value)
    assert "PRIVATE" not in shown(caught.value)


async def test_a_file_that_is_not_there_says_so(tmp_path: Path, fetch: Fetch) -> None:
    with pytest.raises(UpstreamError, match=r"cannot be read \(No such file"):
        await credential_for(provider(f"adc:{tmp_path / 'gone'}"), {}, fetch).sign(REQUEST)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (400, b'{"error":"invalid_grant","error_description":"Bad\\nRequest"}'),
            r"status 400 \(invalid_grant Bad Request\)",
        ),
        ((500, b"<html>" + TOKEN.encode()), "status 500: "),
        ((200, b"<html>" + TOKEN.encode()), "no token"),
        ((200, b'{"access_token":["' + TOKEN.encode() + b'"]}'), "no token"),
    ],
)
async def test_a_refusal_is_told_with_its_remedy_and_without_a_secret(
    tmp_path: Path, endpoint: Endpoint, fetch: Fetch, answer: Answer, words: str
) -> None:
    endpoint.answer = lambda _: answer
    user = {"type": "authorized_user", "refresh_token": "rt-secret", "client_secret": "cs-secret", "token_uri": endpoint.url}
    with pytest.raises(UpstreamError, match=words) as caught:
        await credential_for(provider(f"adc:{written(tmp_path, user)}"), {}, fetch).sign(REQUEST)
    assert caught.value.kind == "credential"
    assert "secret" not in shown(caught.value)


async def test_an_endpoint_that_cannot_be_reached_says_so(tmp_path: Path, fetch: Fetch, key: RSAPrivateKey) -> None:
    account = {"type": "service_account", "private_key": pem(key), "token_uri": "http://127.0.0.1:1/"}
    with pytest.raises(UpstreamError, match=r"cannot be asked for a token \(connect\): check the service account") as caught:
        await credential_for(provider(f"adc:{written(tmp_path, account)}"), {}, fetch).sign(REQUEST)
    assert caught.value.kind == "credential"


async def test_without_a_way_to_fetch_the_one_request_fails(tmp_path: Path) -> None:
    path = written(tmp_path, {"type": "authorized_user"})
    with pytest.raises(UpstreamError) as caught:
        await credential_for(provider(f"adc:{path}"), {}).sign(REQUEST)
    assert caught.value.kind == "credential"
