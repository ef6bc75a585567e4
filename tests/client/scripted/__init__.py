"""A scripted provider: a real HTTP server that speaks four provider dialects and answers each request with a scripted turn.

    turn       what a model shall say: parts, usage, finish, and what goes wrong
    chat       a turn as OpenAI Chat Completions sends it
    responses  as OpenAI Responses does
    messages   as Anthropic Messages does
    gemini     as Gemini's generateContent does
    server     the server, and the record of what it was asked

Only the standard library is used, so that it runs in every environment.
"""
