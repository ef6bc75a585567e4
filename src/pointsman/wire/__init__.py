"""Wire formats, sans-IO: bytes in, frozen values out, and back. One package per dialect; ``sse`` is shared."""
