"""A model in a provider's own list."""

import msgspec


class ListedModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a provider's list says of one model. Dates are ISO days; empty: it does not say."""

    id: str
    released: str = ""
    retires: str = ""
    context: int | None = None
    """The context window, or where only that is told the longest input, in tokens."""
    max_output: int | None = None
