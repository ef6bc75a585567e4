"""The only inbound HTTP: HTTP/1.1 over asyncio protocols and the llhttp parser (httptools).

listener    Server: accepts connections, bounds their number, ends gracefully
addresses   what each client address holds, and may hold
connection  Connection: one client's socket; whose turn it is, deadlines, back-pressure
reader      RequestReader: bytes in, whole requests out; no I/O
message     Incoming and Client: one request, and the way back to who sent it
head        the head of a reply as bytes

Why our own: a general server with its application protocol took more of a request than our whole exchange, and here it is
known at once who hangs up, without asking. What it leaves out on purpose: TLS (a reverse proxy's work), HTTP/2, upgrades,
trailers.
"""
