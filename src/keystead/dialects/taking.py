"""Taking a JSON object apart, member by member, so that nothing in it goes unnoticed. Pure."""

from collections.abc import Iterator
from typing import Any

import msgspec

from keystead.dialects.nesting import MOST_NESTED, TooDeepError, decode
from keystead.domain.chat import Loss
from keystead.domain.errors import InvalidRequestError


class Taking:
    """An object of a request, whose members are taken out one after another; what is left was not understood.

    A member that is null counts as absent. With `folded`, names may also be written in snake case (Google takes both).
    """

    def __init__(self, value: object, place: str, *, folded: bool = False) -> None:
        """Take `value`, which stands at `place` in the request (empty for the whole of it).

        Raises:
            InvalidRequestError: it is no object.
        """
        if not isinstance(value, dict):
            raise wrong(place, "an object")
        self.place = place
        self._members: dict[str, Any] = dict(value)
        self._folded = folded

    def at(self, name: str) -> str:
        """Return the place of a member."""
        return f"{self.place}.{name}" if self.place else name

    def has(self, name: str) -> bool:
        """Say whether a member is there and not null."""
        return any(self._members.get(spelt) is not None for spelt in self._spellings(name))

    def take(self, name: str) -> Any:
        """Take a member of any type; None if it is absent."""
        found = None
        for spelt in self._spellings(name):
            value = self._members.pop(spelt, None)
            found = value if value is not None else found
        return found

    def text(self, name: str, default: str = "") -> str:
        """Take a text."""
        return self._typed(name, str, "a text", default)  # type: ignore[no-any-return]

    def needed_text(self, name: str) -> str:
        """Take a text that must be there."""
        text = self._typed(name, str, "a text", None)
        if text is None:
            raise wrong(self.at(name), "a text")
        return text  # type: ignore[no-any-return]

    def needed_url(self, name: str) -> str:
        """Return the URL that must be there.

        Raises:
            InvalidRequestError: it is missing, or is none.
        """
        url = self.needed_text(name)
        if "://" not in url:
            raise wrong(self.at(name), "a URL")
        return url

    def flag(self, name: str) -> bool | None:
        """Take a truth value."""
        return self._typed(name, bool, "true or false", None)  # type: ignore[no-any-return]

    def integer(self, name: str) -> int | None:
        """Take a whole number; 5.0 is one, too."""
        value = self.number(name)
        if isinstance(value, float):
            if not value.is_integer():
                raise wrong(self.at(name), "a whole number")
            return int(value)
        return value

    def number(self, name: str) -> float | int | None:
        """Take a number."""
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong(self.at(name), "a number")
        return value

    def items(self, name: str) -> list[Any]:
        """Take a list; empty if it is absent."""
        return self._typed(name, list, "a list", [])  # type: ignore[no-any-return]

    def texts(self, name: str) -> tuple[str, ...]:
        """Take a list of texts, or one text."""
        value = self.take(name)
        if value is None:
            return ()
        found = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str) for each in found):
            raise wrong(self.at(name), "a text or a list of texts")
        return tuple(found)

    def inner(self, name: str) -> "Taking | None":
        """Take an object; None if it is absent."""
        value = self.take(name)
        return None if value is None else Taking(value, self.at(name), folded=self._folded)

    def objects(self, name: str) -> "Iterator[Taking]":
        """Take a list of objects, one after another."""
        for number, value in enumerate(self.items(name)):
            yield Taking(value, f"{self.at(name)}[{number}]", folded=self._folded)

    def raw(self, name: str) -> msgspec.Raw | None:
        """Take an object that is passed on as it is, such as a JSON Schema."""
        value = self._typed(name, dict, "an object", None)
        return None if value is None else msgspec.Raw(msgspec.json.encode(value))

    def hints(self, *names: str) -> tuple[Loss, ...]:
        """Take members that say nothing about the answer; return them as losses that are not grave."""
        return tuple(Loss(field=self.at(name), grave=False) for name in names if self.take(name) is not None)

    def left(self) -> tuple[Loss, ...]:
        """Return what nobody has taken: it may mean anything, so each is a grave loss. Null says nothing."""
        return tuple(
            Loss(field=self.at(name), grave=True) for name, value in self._members.items() if value is not None
        )

    def _typed(self, name: str, kind: type, what: str, default: object) -> Any:
        value = self.take(name)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise wrong(self.at(name), what)
        return value

    def _spellings(self, name: str) -> tuple[str, ...]:
        if not self._folded:
            return (name,)
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        return (name, snake) if snake != name else (name,)


def wrong(place: str, what: str) -> InvalidRequestError:
    """Return the error for a member that is not what it must be."""
    return InvalidRequestError(f"`{place or 'the body'}` must be {what}.", code="invalid_value", param=place or None)


def decoded(body: bytes) -> Any:
    """Return the JSON value of a body.

    Raises:
        InvalidRequestError: it is no JSON, or nests too deeply.
    """
    try:
        return decode(body)
    except TooDeepError as error:
        raise InvalidRequestError(f"The body is nested more than {MOST_NESTED} deep.", code="malformed_json") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError("The body is not valid JSON.", code="malformed_json") from error
