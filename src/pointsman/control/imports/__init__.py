"""Past calls, read from other programs' logs into the journal.

call       one past call, whatever log it came from
fields     the loosely typed fields of logs, read strictly
lines      a file as a stream of JSON values with their line numbers
own        our own format (docs/imports.md)
openai     request and response pairs, batch output, stored completions
litellm    SpendLogs rows and standard logging payloads
langfuse   observations, from the blob storage export and from the API
otel       OpenTelemetry GenAI spans: OTLP JSON, and one span a line
formats    the formats by name, and which of them a value is in
run        a file into the journal: prices, ids, sums

Laws: a value that cannot be read is counted and shown with its line and reason, and never stops the rest; a value that is no
model call (another kind of span, an embedding) is passed over and counted; nothing is read of an answer but its counts; a
prompt is turned into a feature vector and forgotten; the same call gets the same id however often it is imported.
"""
