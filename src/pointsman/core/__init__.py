"""Frozen values that every other floor speaks in. No I/O, no clock, no random source.

chat      a client's request, and what comes back piece by piece
price     what a token costs, since when, and who says so
routing   providers, deployments, routes, plans; a request's context and the decision made for it
release   models that arrive, and models that change without a word
budget    what may be used in a window of time, by whom
record    what is kept of an exchange, and later judgements of it
demands   policies of data: what is demanded of who serves, and what is known of it
keys      who may come in, how far, and for whom
audit     what was done to an installation, by whom
ledger    what every call took and cost, line by line, each bound to the one before
review    what people are asked about answers, and what they said
feedback  what whoever uses the answers says of them later
snapshot  everything the data plane knows, in one frozen and hashed value
errors    what can go wrong, with the status and the words that a client gets
"""
