"""Signatures of requests, sans-IO: pure functions of a request, keys and a time.

sigv4   AWS Signature Version 4
jwt     JSON Web Tokens, RS256: how a Google service account proves who it is
"""
