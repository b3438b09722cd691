"""What a credential is given with, checked against its provider's row. Pure."""

import re
from collections.abc import Mapping

from keystead.domain.errors import ConflictError, InvalidRequestError
from keystead.providers.row import Provider


def check_settings(provider: Provider, settings: Mapping[str, str]) -> None:
    """Refuse settings with which no request could be made.

    Raises:
        InvalidRequestError: one is missing, malformed, or stands without the others that it needs.
    """
    for name, given in provider.settings.items():
        value = settings.get(name)
        if value is None and given.needed:
            raise _refused(f"A credential of {provider.title} needs the setting {name}: {given.help}.", name)
        if value is not None and re.fullmatch(given.pattern, value) is None:
            raise _refused(f"The setting {name} is not valid. It is {given.help}.", name)
        missing = [other for other in given.beside if other not in settings] if value is not None else []
        if missing:
            raise _refused(f"The setting {name} means nothing without {' and '.join(missing)}.", missing[0])


def check_change(provider: Provider, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Refuse a change of settings under a key that was brought for others.

    Raises:
        InvalidRequestError: as `check_settings`.
        ConflictError: a setting changes that says where the key goes, or as whom.
    """
    check_settings(provider, after)
    for name, given in provider.settings.items():
        if given.bound and before.get(name) != after.get(name):
            raise ConflictError(
                f"The setting {name} says where the key goes, so it does not change under a key that is kept.",
                code="setting_bound",
                param=f"settings.{name}",
                next_step="Add a credential of its own, with the key.",
            )


def _refused(message: str, name: str) -> InvalidRequestError:
    return InvalidRequestError(
        message, code="invalid_setting", param=f"settings.{name}", next_step=f"Say it as the setting `{name}=…`."
    )
