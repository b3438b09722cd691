"""The built-in sandbox provider: answers in process, in every dialect, plainly labelled, at no cost.

It serves the first minute after installation, demos and tests. Its answers are deterministic, its text begins with
`[Keystead sandbox]`, and the model name says what to act out (`script`). One token is one whitespace-separated
word; one image is `IMAGE_TOKENS`. A key that begins with `wrong` is refused, so that probing and rotating
credentials can be tried out.

    script      what the model names mean, and the reply to a prompt; pure
    prompt      what a request asks, the same for every dialect; pure
    openai, anthropic, gemini    requests and replies in each dialect's shapes; pure
    transport   the Transport over them: pacing and cutting
"""

from keystead.providers.sandbox.transport import SandboxTransport

__all__ = ["SandboxTransport"]
