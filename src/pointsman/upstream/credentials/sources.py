"""Where a secret is kept: an environment variable, or a file.

Laws: a secret is read when it is needed; no repr and no error holds it; what is missing is said with its remedy.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pointsman.upstream.credentials.fetching import missing


class Source(Protocol):
    """Knows a secret, or says in an UpstreamError how to supply it."""

    def secret(self) -> str:
        """Return the secret as it is now."""


class EnvironmentVariable:
    """A variable of the process's environment."""

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        self._name = name
        self._environ = environ

    def __repr__(self) -> str:
        return f"env:{self._name}"

    def secret(self) -> str:
        """Return the variable's value."""
        value = self._environ.get(self._name, "").strip()
        if not value:
            raise missing(f"the environment variable {self._name} is not set: export {self._name}=... and start again")
        return value


class File:
    """The first line of a file, read again whenever the file changes: mounted secrets rotate without a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._value = ""

    def __repr__(self) -> str:
        return f"file:{self._path}"

    def secret(self) -> str:
        """Return the file's first line, without blanks around it. One stat per call; a read only after a change."""
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen != self._seen:
                lines = self._path.read_text("utf-8").splitlines()
                self._value = lines[0].strip() if lines else ""
                self._seen = seen
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            raise missing(f"the key file {self._path} cannot be read ({reason}): put the key into it") from None
        if not self._value:
            raise missing(f"the key file {self._path} is empty: put the key into its first line")
        return self._value


def text_in(file: str, variable: str) -> str:
    """Return the text of a file that ``variable`` names, without the blanks around it. Raises UpstreamError."""
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise missing(f"the token file {file} cannot be read ({reason}): check {variable}") from None
