"""OpenAI Chat Completions (https://platform.openai.com/docs/api-reference/chat).

request   bytes <-> ChatRequest, and edits of the original bytes
reply     a whole reply <-> events
stream    a streamed reply <-> events
count     a whole reply that passes as it is: usage, finish, and the answer where someone grades it
watch     a streamed reply that passes as it is: its frames, and what they mean
errors    the envelope of an error, and the event that ends a cut stream
"""
