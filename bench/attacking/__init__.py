"""What an attacker sends, and how it is seen whether it got through.

smuggling  bytes that two readers of HTTP could read in two ways
contents   paths, addresses, JSON, names and prompts that are meant to be more than that
bombs      what grows when it is unpacked
described  schemathesis against the published description
guessing   whether the time of an answer tells how much of a key was right
target     a gateway as people start it, in front of a provider that keeps every byte it got
"""
