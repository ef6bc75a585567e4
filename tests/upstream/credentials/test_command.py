"""A key that a command prints: asked for once for all who wait, again when it is old or was refused, and never shown."""

import asyncio
import sys
from pathlib import Path

import pytest

from pointsman.core.errors import ConfigError, UpstreamError
from pointsman.core.routing import Provider
from pointsman.upstream.credentials import command, credential_for
from pointsman.upstream.credentials.command import FRESH_S, KeyFromCommand
from pointsman.upstream.credentials.kept import PAUSE_S
from pointsman.upstream.interfaces import Request

REQUEST = Request("POST", "http://p/v1", ((b"content-type", b"application/json"),), b"{}")
SECRET = "sk-canary-0123456789"


class World:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def printing(tmp_path: Path, body: str) -> str:
    """A command that counts its runs in a file and then does what a script says."""
    script = tmp_path / "key.py"
    counting = f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\nruns = len(open({str(tmp_path / 'runs')!r}).read())"
    script.write_text(f"import sys, time\n{counting}\n{body}\n")
    return f"command:{sys.executable} {script} 'an argument'"


def runs(tmp_path: Path) -> int:
    return len((tmp_path / "runs").read_text())


async def shown(credential: object) -> bytes:
    assert isinstance(credential, KeyFromCommand)
    ready = credential.ready(REQUEST) or await credential.sign(REQUEST)
    return ready.headers[-1][1]


async def test_its_first_line_is_the_key_for_all_who_wait(tmp_path: Path) -> None:
    source = printing(tmp_path, f"print('{SECRET} \\nsecond line')")
    credential = credential_for(Provider("p", "http://p/v1", credential=source))
    assert set(await asyncio.gather(*(shown(credential) for _ in range(5)))) == {b"Bearer " + SECRET.encode()}
    assert await shown(credential) == b"Bearer " + SECRET.encode()
    assert runs(tmp_path) == 1
    assert SECRET not in repr(credential)
    assert SECRET not in repr(credential.__dict__)


async def test_it_is_asked_for_again_when_it_is_old_or_was_refused(tmp_path: Path) -> None:
    world = World()
    source = printing(tmp_path, "print('key', runs, sep='-')")
    credential = credential_for(Provider("p", "http://p/v1", dialect="anthropic", credential=source), now=world)
    assert await shown(credential) == b"key-1"
    world.now += FRESH_S
    assert await shown(credential) == b"key-2"
    credential.refused()  # a moment after it was fetched: the key is wrong, not old
    assert await shown(credential) == b"key-2"
    world.now += PAUSE_S
    credential.refused()
    assert await shown(credential) == b"key-3"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (f"print('{SECRET}', file=sys.stderr); print('{SECRET}'); sys.exit(3)", "ended with status 3"),
        ("pass", "printed no key"),
        ("sys.stdout.buffer.write(bytes([200, 201, 10]))", "printed no key"),
        (f"print('{SECRET}\\x07')", "printed no key"),
        ("time.sleep(60)", "took longer than"),
    ],
)
async def test_what_goes_wrong_is_said_without_what_it_printed(
    tmp_path: Path, body: str, said: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "PATIENCE_S", 0.3 if "sleep" in body else 10.0)
    credential = credential_for(Provider("p", "http://p/v1", credential=printing(tmp_path, body)))
    with pytest.raises(UpstreamError, match=said) as raised:
        await credential.sign(REQUEST)
    assert (raised.value.kind, raised.value.sent) == ("credential", False)
    shown = "".join([str(raised.value), repr(raised.value), repr(raised.value.__cause__), *capfd.readouterr()])
    assert SECRET not in shown


async def test_a_command_that_is_not_there_is_named() -> None:
    credential = credential_for(Provider("p", "http://p/v1", credential="command:no-such-command --print"))
    with pytest.raises(UpstreamError, match="no-such-command that prints the key cannot be run"):
        await credential.sign(REQUEST)


def test_a_command_that_cannot_be_read_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="quotation mark"):
        credential_for(Provider("p", "http://p/v1", credential="command:pass 'x"))
