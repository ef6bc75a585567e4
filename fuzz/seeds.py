"""Write the corpus anew: a request, a whole reply and a stream of every dialect, and the hard cases of streams.

python -m fuzz.seeds FOLDER
"""

import sys
from hashlib import sha256
from pathlib import Path

from msgspec.structs import replace
from tests.wire.cases import REPLIES, REQUESTS
from tests.wire.hard import HARD

from pointsman.core.chat import ChatRequest
from pointsman.wire.dialect import Stamp
from pointsman.wire.dialects import DIALECTS, OF_PROVIDERS

NAMES = tuple(OF_PROVIDERS)
LONGEST = 1500


def main(folder: Path) -> None:
    """Write one file to each seed, named by what is in it."""
    folder.mkdir(exist_ok=True)
    found: set[bytes] = set()
    for place, (name, dialect) in enumerate(OF_PROVIDERS.items()):
        for asked in REQUESTS[::6]:
            body = dialect.request.encode(replace(asked.request, dialect=name)).body
            found.add(bytes((place, 0)) + body)
    for place, name in enumerate(NAMES):
        if name in DIALECTS:
            for said in REPLIES[::6]:
                body = DIALECTS[name].reply.encode(said.events, ChatRequest("m", ()), Stamp("x", 1, "m")).body
                found.add(bytes((place + len(NAMES), 0)) + body)
    for each in HARD.values():
        for hard in each:
            if len(hard.stream) <= LONGEST:
                found.add(bytes((NAMES.index(hard.dialect) + 2 * len(NAMES), 100)) + hard.stream)
    for seed in found:
        (folder / sha256(seed).hexdigest()[:16]).write_bytes(seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
