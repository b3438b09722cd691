"""Pairs that somebody wrote into a field, `name=value` on a line. Pure."""

from keystead.domain.errors import InvalidRequestError


def pairs_in(text: str, *, param: str, one: str, example: str) -> dict[str, str]:
    """Return the pairs of a text.

    Args:
        text: what was written.
        param: the field.
        one: what a pair is called.
        example: a pair.

    Raises:
        InvalidRequestError: a line is none, or a name is there twice.
    """
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or name in found:
            raise InvalidRequestError(
                f"The {one} {name!r} is there twice." if name in found else f"{line!r} is not a {one}.",
                param=param,
                next_step=f"Write each {one} once, on a line of its own: {example}.",
            )
        found[name] = value
    return found
