"""JSON Web Tokens signed with RSA and SHA-256 (RFC 7515, RFC 7519; RS256 of RFC 7518, section 3.3).

Law: a key that cannot be used is a ValueError, whose text holds nothing of it.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def rs256(claims: Mapping[str, object], private_key: str, key_id: str = "") -> str:
    """Return the token that states ``claims``, signed with a private RSA key in PEM. Raises ValueError."""
    try:
        key = load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("the private key cannot be read") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the private key is not an RSA key")  # noqa: TRY004 - the type is a secret's content
    header = {"alg": "RS256", "typ": "JWT"} | ({"kid": key_id} if key_id else {})
    stated = f"{_part(msgspec.json.encode(header))}.{_part(msgspec.json.encode(claims))}"
    return f"{stated}.{_part(key.sign(stated.encode(), PKCS1v15(), SHA256()))}"


def _part(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
