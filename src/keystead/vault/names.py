"""What a credential may be called. Pure."""

from typing import Final

from keystead.domain.errors import InvalidRequestError

ID_PREFIX: Final = "cred"
MAX_NAME_LENGTH: Final = 100


def require_name(name: str) -> None:
    """Refuse a name that could not be told from an id, or seen for what it is.

    Raises:
        InvalidRequestError: it could not.
    """
    if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable() or name != name.strip():
        raise InvalidRequestError(
            f"A name has 1 to {MAX_NAME_LENGTH} printable characters and no space at its ends.",
            code="invalid_name",
            param="name",
        )
    if name.startswith(f"{ID_PREFIX}_"):
        raise InvalidRequestError(
            f"A name does not begin with {ID_PREFIX}_: ids do.", code="invalid_name", param="name"
        )
