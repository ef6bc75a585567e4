"""OpenAI Chat Completions (https://platform.openai.com/docs/api-reference/chat), and what other providers made of it.

request   bytes <-> ChatRequest, and edits of the original bytes: messages, tools, sampling read; compose writes
reply     a whole reply <-> events: reply reads, pieces writes
stream    a streamed reply <-> events: chunks and progress read, frames writes
count     a whole reply that passes as it is: usage, finish, and the answer where someone grades it
watch     a streamed reply that passes as it is: its frames, and what they mean
errors    the envelope of an error, and the event that ends a cut stream
media, thinking, ends, shapes, fields   what both ways, whole and streamed, have in common
"""
