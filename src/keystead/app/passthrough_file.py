"""The operator's list of paths that are passed through."""

from pathlib import Path

import msgspec
import yaml

from keystead.domain.errors import GatewayError
from keystead.providers.passthrough import Passthrough

_MOST_BYTES = 256 * 1024


def load_passthrough(name: str) -> Passthrough:
    """Return what is listed in the file `name`; nothing if there is no name.

    Raises:
        GatewayError: it cannot be read, or lists what is no template.
    """
    if not name:
        return Passthrough({})
    try:
        with Path(name).expanduser().open("rb") as file:
            read = yaml.safe_load(file.read(_MOST_BYTES + 1)[:_MOST_BYTES])
        return Passthrough(msgspec.convert(read or {}, dict[str, list[str]]))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise GatewayError(
            f"The file of KEYSTEAD_PASSTHROUGH_FILE cannot be used: {error}.",
            code="passthrough_refused",
            next_step="It maps providers to lists of templates, such as `openai: [GET /v1/fine_tuning/jobs/{id}]`.",
        ) from error
