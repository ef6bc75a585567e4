"""What tells plain content of a stream from everything else: for who only looks at it (``watch``).

Law: ``plain`` leaves whatever may mean more, once content has begun, than content.
"""

from functools import partial
from typing import Final, Literal

import msgspec
from msgspec import Struct

from pointsman.wire import sse


class _Plain(Struct, gc=False):
    type: Literal["content_block_start", "content_block_delta", "content_block_stop", "ping"]


plain: Final = partial(sse.plain, takes=msgspec.json.Decoder(_Plain).decode)
