"""Wire formats, sans-IO: bytes in, frozen values out, and back. One package per dialect.

dialect   what every dialect has, and the laws that they keep
answer    what a reply came to, for who counts or grades it
feedback  what is said of answers later, as JSON
kept      how much of an answer its edited form kept
moment    a moment as others write it
sse       server-sent events as bytes
"""
