"""What Claude wants whoever serves it: the same in Anthropic's own dialect and in Bedrock's Converse.

thinking  how much to think, both ways
schemas   a JSON Schema as structured output takes it
calls     tool calls: ids of a fixed alphabet, inputs that are objects
"""
