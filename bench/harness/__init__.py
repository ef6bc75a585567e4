"""What the benchmarks of the gateway share.

choices     lists of names on a command line
machine     two cores, processes that end with the benchmark, their CPU and memory
load        the C load generator and the C upstream (bench/gateway/*.c)
targets     what is measured: nginx and Pointsman, in front of the same upstream, in plaintext and with TLS to it
acting      a learned policy that acts on ``auto``
peers       other gateways, from the benchmark's own environment (bench/gateway/install.sh)
measure     the parts of the benchmark: what is sent to whom, and what is noted
results     measured values, their medians, ranges and ratios
floors      what the project promises, and whether it holds
tables      the figures as Markdown tables
report      JSON, and the document

For bench/limits.py:
scripted    an upstream that sees what becomes of each request
misbehaving clients that read slowly, leave early, or send a great deal
pressure, disconnect, bodies    what is tried with them
"""
