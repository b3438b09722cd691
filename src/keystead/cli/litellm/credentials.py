"""What deployments share, a provider's account, becomes a credential. Pure."""

import re
from collections.abc import Collection, Mapping

from keystead.cli.litellm.deployments import UNKNOWN_ORIGIN, Account, Deployment
from keystead.cli.litellm.source import Json, Source
from keystead.cli.yaml_tree import Path
from keystead.providers.table import PROVIDERS


def name_accounts(deployments: list[Deployment]) -> dict[Account, str]:
    """Return each account's name: the credential it becomes."""
    found: dict[Account, str] = {}
    for one in deployments:
        if one.account not in found:
            found[one.account] = _free_name(one, found.values())
    return found


def make_credentials(source: Source, deployments: list[Deployment], accounts: Mapping[Account, str]) -> Json:
    """Return the section of the credentials. An account is like the first deployment that has it."""
    found: Json = {}
    for one in deployments:
        name = accounts[one.account]
        if name not in found:
            found[name] = _credential(source, name, one)
    return found


def _credential(source: Source, name: str, one: Deployment) -> Json:
    path: Path = ("model_list", one.index, "litellm_params")
    row = PROVIDERS[one.provider]
    entry: Json = {"provider": one.provider, "key": f"${{{one.key or _variable(name)}}}"}
    if one.literal:
        message = f"a key is written here; it was not copied. Put it in the variable {one.key}, and rotate it"
        source.say((*path, "api_key"), message)
    elif not one.key:
        message = f"has no key here; one is expected in the variable {_variable(name)}"
        source.say(path, message)
    origin = one.origin or (UNKNOWN_ORIGIN if row.origin is None else None)
    if origin is not None and origin != row.origin:
        entry["origin"] = origin
    if origin is not None and origin.startswith("http://"):
        message = f"the operator must allow plain http to {origin} (KEYSTEAD_EGRESS_ALLOW)"
        source.say((*path, "api_base"), message)
    if origin == UNKNOWN_ORIGIN:
        source.say((*path, "api_base"), f"the address is not known here: replace {UNKNOWN_ORIGIN} in {name!r}")
    if one.path and one.path.strip("/") not in {prefix.strip("/") for prefix in row.dialects.values()}:
        message = f"the path {one.path} is not kept: {row.title} is called under its usual one"
        source.say((*path, "api_base"), message)
    if one.api_version and one.provider == "azure":
        entry["settings"] = {"api_version": one.api_version}
    elif one.api_version:
        source.say((*path, "api_version"), f"means nothing to {row.title}")
    return entry


def _free_name(one: Deployment, taken: Collection[str]) -> str:
    base = one.provider
    if one.provider in {"azure", "vllm", "ollama"} and one.origin not in {None, UNKNOWN_ORIGIN}:
        host = str(one.origin).partition("://")[2].partition(".")[0].partition(":")[0]
        base = f"{one.provider}-{re.sub('[^a-z0-9-]', '-', host.lower())}"
    number = 1
    name = base
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name


def _variable(name: str) -> str:
    return f"{re.sub('[^A-Z0-9]', '_', name.upper())}_KEY"
