"""Groups of deployments, their fallbacks and their aliases become routes. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from keystead.cli.litellm import words
from keystead.cli.litellm.deployments import Account, Deployment
from keystead.cli.litellm.source import Json, Source
from keystead.cli.yaml_tree import Path
from keystead.providers.table import PROVIDERS

_MOST_ATTEMPTS: Final = 16
_MOST_WEIGHT: Final = 1000


class Routes:
    """Makes the routes of a configuration."""

    def __init__(self, source: Source, accounts: Mapping[Account, str]) -> None:
        """Take groups and fallbacks from `source`; `accounts` are the credentials' names."""
        self._source = source
        self._accounts = accounts

    def made_of(self, deployments: list[Deployment]) -> Json:
        """Return the section of the routes."""
        groups: dict[str, list[Deployment]] = {}
        for one in deployments:
            if one.model:
                groups.setdefault(one.group, []).append(one)
        strategy = self._strategy()
        fallbacks = self._fallbacks(groups)
        found: Json = {}
        names: dict[str, str] = {}
        for group, members in groups.items():
            name = self._route_name(group, members[0].index, found)
            names[group] = name
            found[name] = self._route(members, [groups[other] for other in fallbacks.get(group, ())], strategy)
        for alias, group, path in self._aliases():
            name = self._plain_name(alias)
            if group not in names or name in found:
                why = "there is a route of that name" if name in found else f"there is no group {group!r}"
                self._source.say(path, f"{why}; the alias is not imported")
                continue
            if name != alias:
                self._source.say(path, f"a route cannot be named so; it is {name!r} here, and callers must write that")
            found[name] = found[names[group]]
        return found

    def _route(self, own: list[Deployment], others: list[list[Deployment]], strategy: str) -> Json:
        weights = _weights(own)
        spread = strategy if len(own) > 1 else "ordered"
        attempts: list[Json] = []
        seen: set[tuple[str, str]] = set()
        for one, weight in [*zip(own, weights, strict=True), *((one, 1) for many in others for one in many)]:
            place = (self._accounts[one.account], one.model)
            if place in seen:
                continue
            seen.add(place)
            attempt: Json = {"credential": place[0], "model": one.model}
            if spread == "weighted":
                attempt["weight"] = weight
            if one.first_byte_timeout_s is not None:
                attempt["first_byte_timeout_s"] = one.first_byte_timeout_s
            attempts.append(attempt)
        path: Path = ("model_list", own[0].index, "model_name")
        if spread != "ordered" and others:
            share = "a small share of requests begins" if spread == "weighted" else "requests may begin"
            self._source.say(
                path, f"has several deployments and fallbacks in one {spread} route: {share} at a fallback"
            )
        if len(attempts) > _MOST_ATTEMPTS:
            self._source.say(path, f"has more than {_MOST_ATTEMPTS} attempts; the later ones are left out")
        return {"strategy": spread, "attempts": attempts[:_MOST_ATTEMPTS]}

    def _route_name(self, group: str, index: int, taken: Mapping[str, Any]) -> str:
        plain = name = self._plain_name(group)
        number = 1
        while name in taken:
            number += 1
            name = f"{plain[:95]}-{number}"
        if name != group:
            message = f"a route cannot be named so; it is {name!r} here, and callers must write that"
            self._source.say(("model_list", index, "model_name"), message)
        return name

    def _plain_name(self, name: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9._@:-]", "-", name).lstrip("._@:-")[:100] or "route"
        taken = {*self._accounts.values(), *PROVIDERS}
        return f"{plain[:90]}-route" if plain in taken else plain

    def _strategy(self) -> str:
        path = ("router_settings", "routing_strategy")
        asked = self._source.at(*path)
        if asked is None:
            return "weighted"
        found = words.STRATEGIES.get(str(asked))
        if found is None:
            self._source.say(path, f"there is no strategy like {str(asked)[:64]!r} here; routes are weighted")
        elif asked in words.INEXACT_STRATEGIES:
            self._source.say(path, f"{asked} looks at what is under way; routes are weighted here")
        return found or "weighted"

    def _fallbacks(self, groups: Mapping[str, Any]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path, first, others in self._fallback_lists():
            for group in groups if first == "*" else [first]:
                if group not in groups:
                    self._source.say(path, f"there is no group {group!r}; its fallbacks are not imported")
                    continue
                for other in others:
                    if other not in groups:
                        self._source.say(path, f"there is no group {other!r} to fall back to")
                    elif other != group and other not in found.setdefault(group, []):
                        found[group].append(other)
        return found

    def _fallback_lists(self) -> Iterator[tuple[Path, str, list[str]]]:
        for section in ("router_settings", "litellm_settings"):
            for setting in ("fallbacks", "context_window_fallbacks"):
                path: Path = (section, setting)
                given = self._source.at(section, setting)
                for number, entry in enumerate(given if isinstance(given, list) else []):
                    for first, others in (entry if isinstance(entry, dict) else {}).items():
                        yield (*path, number), first, [str(one) for one in others] if isinstance(others, list) else []
                if given is not None and setting != "fallbacks":
                    self._source.say(path, "become later attempts, which are made after other failures as well")
            default = self._source.at(section, "default_fallbacks")
            if isinstance(default, list):
                yield (section, "default_fallbacks"), "*", [str(one) for one in default]

    def _aliases(self) -> Iterator[tuple[str, str, Path]]:
        given = self._source.at("router_settings", "model_group_alias")
        for alias, group in (given if isinstance(given, dict) else {}).items():
            path: Path = ("router_settings", "model_group_alias", alias)
            yield alias, str(group.get("model")) if isinstance(group, dict) else str(group), path


def _weights(own: list[Deployment]) -> list[int]:
    """Return each deployment's share, so large beside 1 that a fallback's is next to nothing."""
    shares = [one.weight for one in own]
    if None in shares:
        shares = [one.requests_per_minute for one in own]
    if None in shares:
        shares = [one.tokens_per_minute for one in own]
    known = [share for share in shares if share is not None]
    if len(known) < len(own):
        known = [1] * len(own)
    return [max(1, share * _MOST_WEIGHT // max(known)) for share in known]
