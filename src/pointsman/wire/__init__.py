"""Wire formats, sans-IO: bytes in, frozen values out, and back. One package per dialect.

dialect   what every dialect has, and the laws that they keep
answer    what a reply came to, for who counts or grades it
sse       server-sent events as bytes
"""
