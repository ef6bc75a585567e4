"""Anthropic Messages (https://platform.claude.com/docs/en/api/messages), with ``count_tokens``.

request   bytes -> ChatRequest, and edits of the original bytes (``compose`` has the way back, ``fit`` what cannot go it)
reply     a whole reply <-> events
stream    a streamed reply -> events (``frames`` has the way back)
count     a whole reply that passes as it is: usage, finish, and the answer where someone grades it; counted tokens
watch     a streamed reply that passes as it is: its frames, and what they mean
errors    the envelope of an error, and the event that ends a cut stream

fields    cache marks
blocks    content blocks -> parts, the same in requests and in replies
turns     messages -> Messages' ``system`` and ``messages``
words     stop reasons and usage, both ways
"""
