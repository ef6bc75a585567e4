"""OpenAI Responses (https://platform.openai.com/docs/api-reference/responses).

request   bytes <-> ChatRequest; `state` says what a request needs at its provider
  turns     input items -> messages
  items     messages -> input items
  content   what stands inside a message: texts, images, files, sounds
  tools     tools and the choice among them, both ways
reply     a whole reply <-> events
stream    a streamed reply <-> events
  events    canonical events that remember more, for a reply that comes back in this dialect
  reading   output items, as they grow -> events
  writing   events -> output items, as they grow
  response  the object around the items: status, usage, and the echo of the request
count     a whole reply that passes as it is: usage, finish, and the answer where someone grades it
watch     a streamed reply that passes as it is: its frames, and what they mean
errors    the envelope of an error, and the event that ends a cut stream
fields    one JSON object, its fields taken one by one
"""
