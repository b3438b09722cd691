"""Wire formats: bytes to values and back, pure.

This floor knows the shapes of the OpenAI, Anthropic and Gemini formats and the framing of their streams. It knows no
provider, no key and no I/O. Invariant: what is forwarded is, byte for byte, what was received, except the few
members a caller of these functions names.
"""
