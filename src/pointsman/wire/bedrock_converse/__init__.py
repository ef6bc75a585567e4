"""Amazon Bedrock's Converse (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html).

A provider's dialect: the gateway speaks it to Bedrock, and no client speaks it to the gateway.

request   ChatRequest -> bytes, what makes one unfit, and the way back (for recorded requests)
reply     a whole reply -> events
stream    a streamed reply -> events: AWS's binary event stream (``wire/event_stream``)
count     a whole reply's usage and answer; counted tokens
errors    a provider's errors, whole and within a stream

turns     messages -> ``system`` and ``messages``
blocks    content blocks -> parts, the same in requests and in replies
media     formats of images, documents and films, both ways
tools     ``toolConfig``, both ways
models    what differs between the makers of models: reasoning, ``top_k``, cache points
words     stop reasons and usage
"""
