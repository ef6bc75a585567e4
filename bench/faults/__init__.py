"""What the benchmarks of faults share.

started   a gateway as people start it, in front of upstreams of this process, and what the system says of it
asking    clients over plain sockets: one request, and all that came back
shares    intervals of shares and of quantiles
flaky     an upstream that fails and tarries by chance
"""
