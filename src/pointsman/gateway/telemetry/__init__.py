"""What the gateway says of itself: figures for Prometheus, one log line and one trace for each exchange.

families    every figure that ``/metrics`` shows, as a table: what docs/observability.md lists
tally       counts beside the requests of one worker
pages       memory that the processes of one gateway share: a page each
exposition  figures as Prometheus' text
metrics     all of it together: what one scrape shows of every process
telling     which exchanges are told of where
told        an exchange that waits to be told; where it stands in a trace
lines       one log line of JSON for each
spans       its spans, in the words of OpenTelemetry's conventions for generative AI
otlp        spans on their way to a collector
"""
