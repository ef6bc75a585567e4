"""Google Gemini: generateContent, streamGenerateContent and countTokens (https://ai.google.dev/api/generate-content).

request   bytes <-> ChatRequest: config (how to generate), tools, contents and parts (what was said), schema
reply     a whole reply <-> events: candidates reads, pieces writes
stream    a streamed reply <-> events, as server-sent events or as a JSON array: frames cuts both
count     a whole reply that passes as it is: usage, finish, and the answer where someone grades it
watch     a streamed reply that passes as it is: its frames, and what they mean
errors    the envelope of an error, and the event that ends a cut stream
fields    the reading of one JSON object, field by field

The API speaks proto3 JSON: field names in camelCase or snake_case, null for absent, one object where a list of one is meant,
numbers also as strings. All of that is read; camelCase, lists and numbers are written.
"""
