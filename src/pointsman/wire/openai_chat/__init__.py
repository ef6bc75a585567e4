"""OpenAI Chat Completions (https://platform.openai.com/docs/api-reference/chat).

request   bytes -> ChatRequest, and edits of the original bytes
reply     a whole reply: usage, finish, and the answer where someone grades it
stream    a streamed reply: frames as they are, and what they mean
errors    the envelope of an error, and the event that ends a cut stream
"""
