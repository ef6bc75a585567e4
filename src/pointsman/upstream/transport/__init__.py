"""The only outbound HTTP: a lean HTTP/1.1 client over asyncio protocols and the llhttp parser (httptools).

client      HttpTransport: one request's way out, from head to reply; the one retry
pool        Pool: the connections of one origin; who gets which, who waits
connection  Connection: one socket and its table of phases; deadlines, limits, back-pressure
_whole      in wheels, C: a whole reply that came in one read, read without the parser
alive       probes and bounds of the kernel, for peers that vanish
reply       ReceivedReply: what has arrived and was not read yet
head        Target, Form: a URL and headers become the bytes of a request, or are refused

Why our own: measured on this path, general clients cost more than the whole rest of the gateway. What it leaves out on
purpose: redirects, cookies, proxies, decompression, pipelining, HTTP/2.
"""

from pointsman.upstream.transport.client import HttpTransport

__all__ = ["HttpTransport"]
