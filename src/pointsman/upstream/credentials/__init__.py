"""Where the right to call a provider comes from, and how it is shown.

named      what a provider's row names: the credential of every form
sources    secrets that are kept somewhere: an environment variable, a file
keys       a secret in one header, as it is
command    a secret that a command prints
bearer     a token that was fetched, in ``authorization``
kept       what expires, kept and fetched again in time
google     application default credentials
entra      Microsoft Entra ID
aws        signed requests to Bedrock (``aws_keys``: where the keys come from)
fetching   asking for a token over the gateway's own transport

Laws: a secret is read when it is needed and never kept in a Provider, a snapshot or a log; no repr and no error holds it;
a missing or unusable secret fails the one request with UpstreamError ``credential`` (not sent) and says what to do, so that
one provider without a key does not stop the others.
"""

from pointsman.upstream.credentials.fetching import Fetch, fetching
from pointsman.upstream.credentials.named import credential_for, credentials

__all__ = ["Fetch", "credential_for", "credentials", "fetching"]
