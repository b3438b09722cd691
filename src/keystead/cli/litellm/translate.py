"""The translation of a whole LiteLLM configuration. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from keystead.cli.litellm import words
from keystead.cli.litellm.deployments import (
    UNKNOWN_ORIGIN,
    Deployment,
    key_of,
    origin_of,
    provider_of,
    seconds,
    whole_number,
)
from keystead.cli.yaml_tree import Path, Tree
from keystead.providers.table import PROVIDERS

Json = dict[str, Any]

_READ: Final = frozenset(
    {"model", "api_key", "api_base", "base_url", "api_version", "rpm", "tpm", "weight", "stream_timeout"}
)
_MOST_ATTEMPTS: Final = 16
_MOST_WEIGHT: Final = 1000


class Finding(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Something that somebody should know of, and where it is."""

    line: int
    setting: str
    message: str


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """A document, and what it does not hold."""

    document: Json
    findings: tuple[Finding, ...]


def translate(tree: Tree) -> Translation:
    """Translate a LiteLLM configuration."""
    return _Translator(tree).translation()


class _Translator:
    """Goes through the configuration once, and tells of everything that it passes over."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._config: Json = tree.value if isinstance(tree.value, dict) else {}
        self._findings: list[Finding] = []
        self._accounts: dict[tuple[str, str | None, str, str], str] = {}
        self._routes: dict[str, str] = {}
        """LiteLLM's name of a group → the route's."""

    def translation(self) -> Translation:
        deployments = [one for number in range(len(self._models())) if (one := self._deployment(number)) is not None]
        credentials = self._credentials(deployments)
        routes = self._make_routes(deployments)
        sections = {
            "credentials": credentials,
            "routes": routes,
            "budgets": self._budgets(),
            "limits": self._limits(deployments),
        }
        self._pass_over()
        return Translation(
            document={"keystead": 1} | {name: section for name, section in sections.items() if section},
            findings=tuple(sorted(self._findings)),
        )

    def _models(self) -> list[Any]:
        found = self._config.get("model_list")
        return found if isinstance(found, list) else []

    def _say(self, path: Path, message: str) -> None:
        setting = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        self._findings.append(Finding(line=self._tree.line(path), setting=setting, message=message))

    # -- deployments and credentials ------------------------------------------------------------------------------

    def _deployment(self, index: int) -> Deployment | None:
        path: Path = ("model_list", index)
        entry = self._models()[index]
        parameters = entry.get("litellm_params") if isinstance(entry, dict) else None
        if not isinstance(parameters, dict) or not isinstance(entry.get("model_name"), str):
            self._say(path, "has no model_name or no litellm_params, and is not imported")
            return None
        self._pass_over_model(path, entry, parameters)
        model, group = str(parameters.get("model") or ""), entry["model_name"]
        api_base = str(parameters.get("api_base") or parameters.get("base_url") or "")
        known = provider_of(model, api_base)
        if known is None:
            self._say((*path, "litellm_params", "model"), f"no provider here serves {model!r}; it is not imported")
            return None
        provider, name = known
        if "*" in model or "*" in group:
            message = "is not a route: every model of a credential can be named as `credential/model` already"
            self._say((*path, "model_name"), message)
            name = ""
        for setting, number in (
            *((setting, whole_number(parameters.get(setting))) for setting in ("rpm", "tpm", "weight")),
            ("stream_timeout", seconds(parameters.get("stream_timeout"))),
        ):
            if number is None and parameters.get(setting) is not None:
                self._say((*path, "litellm_params", setting), "is not a number that can be used, and is not imported")
        origin, behind = origin_of(api_base)
        key, literal = key_of(parameters.get("api_key"), provider=provider, index=index)
        return Deployment(
            index=index,
            group=group,
            provider=provider,
            model=name,
            origin=origin,
            path=behind,
            key=key,
            literal=literal,
            api_version=str(parameters.get("api_version") or ""),
            weight=whole_number(parameters.get("weight")),
            first_byte_timeout_s=seconds(parameters.get("stream_timeout")),
            requests_per_minute=whole_number(parameters.get("rpm")),
            tokens_per_minute=whole_number(parameters.get("tpm")),
        )

    def _pass_over_model(self, path: Path, entry: Json, parameters: Json) -> None:
        for name in parameters:
            if name not in _READ:
                self._unmapped((*path, "litellm_params", name))
        for name, value in entry.items():
            if name == "model_info" and isinstance(value, dict):
                for fact in value:
                    self._unmapped((*path, name, fact))
            elif name not in {"model_name", "litellm_params"}:
                self._unmapped((*path, name))

    def _credentials(self, deployments: list[Deployment]) -> Json:
        found: Json = {}
        for one in deployments:
            if one.account in self._accounts:
                continue
            name = self._free_name(one, found)
            self._accounts[one.account] = name
            found[name] = self._credential(name, one)
        return found

    def _credential(self, name: str, one: Deployment) -> Json:
        path: Path = ("model_list", one.index, "litellm_params")
        row = PROVIDERS[one.provider]
        entry: Json = {"provider": one.provider, "key": f"${{{one.key or _variable(name)}}}"}
        if one.literal:
            message = f"a key is written here; it was not copied. Put it in the variable {one.key}, and rotate it"
            self._say((*path, "api_key"), message)
        elif not one.key:
            message = f"has no key here; one is expected in the variable {_variable(name)}"
            self._say(path, message)
        origin = one.origin or (UNKNOWN_ORIGIN if row.origin is None else None)
        if origin is not None and origin != row.origin:
            entry["origin"] = origin
        if origin is not None and origin.startswith("http://"):
            message = f"the operator must allow plain http to {origin} (KEYSTEAD_EGRESS_ALLOW)"
            self._say((*path, "api_base"), message)
        if origin == UNKNOWN_ORIGIN:
            self._say((*path, "api_base"), f"the address is not known here: replace {UNKNOWN_ORIGIN} in {name!r}")
        if one.path and one.path.strip("/") not in {prefix.strip("/") for prefix in row.dialects.values()}:
            message = f"the path {one.path} is not kept: {row.title} is called under its usual one"
            self._say((*path, "api_base"), message)
        if one.api_version and one.provider == "azure":
            entry["settings"] = {"api_version": one.api_version}
        elif one.api_version:
            self._say((*path, "api_version"), f"means nothing to {row.title}")
        return entry

    def _free_name(self, one: Deployment, taken: Mapping[str, Any]) -> str:
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

    # -- routes ---------------------------------------------------------------------------------------------------

    def _make_routes(self, deployments: list[Deployment]) -> Json:
        groups: dict[str, list[Deployment]] = {}
        for one in deployments:
            if one.model:
                groups.setdefault(one.group, []).append(one)
        strategy = self._strategy()
        fallbacks = self._fallbacks(groups)
        found: Json = {}
        for group, members in groups.items():
            name = self._route_name(group, members[0].index, found)
            self._routes[group] = name
            found[name] = self._route(members, [groups[other] for other in fallbacks.get(group, ())], strategy)
        for alias, group, path in self._aliases():
            name = self._plain_name(alias)
            if group not in self._routes or name in found:
                why = "there is a route of that name" if name in found else f"there is no group {group!r}"
                self._say(path, f"{why}; the alias is not imported")
                continue
            if name != alias:
                self._say(path, f"a route cannot be named so; it is {name!r} here, and callers must write that")
            found[name] = found[self._routes[group]]
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
            self._say(path, f"has several deployments and fallbacks in one {spread} route: {share} at a fallback")
        if len(attempts) > _MOST_ATTEMPTS:
            self._say(path, f"has more than {_MOST_ATTEMPTS} attempts; the later ones are left out")
        return {"strategy": spread, "attempts": attempts[:_MOST_ATTEMPTS]}

    def _route_name(self, group: str, index: int, taken: Mapping[str, Any]) -> str:
        plain = name = self._plain_name(group)
        number = 1
        while name in taken:
            number += 1
            name = f"{plain[:95]}-{number}"
        if name != group:
            message = f"a route cannot be named so; it is {name!r} here, and callers must write that"
            self._say(("model_list", index, "model_name"), message)
        return name

    def _plain_name(self, name: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9._@:-]", "-", name).lstrip("._@:-")[:100] or "route"
        taken = {*self._accounts.values(), *PROVIDERS}
        return f"{plain[:90]}-route" if plain in taken else plain

    def _strategy(self) -> str:
        path = ("router_settings", "routing_strategy")
        asked = _at(self._config, path)
        if asked is None:
            return "weighted"
        found = words.STRATEGIES.get(str(asked))
        if found is None:
            self._say(path, f"there is no strategy like {str(asked)[:64]!r} here; routes are weighted")
        elif asked in words.INEXACT_STRATEGIES:
            self._say(path, f"{asked} looks at what is under way; routes are weighted here")
        return found or "weighted"

    def _fallbacks(self, groups: Mapping[str, Any]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path, first, others in self._fallback_lists():
            for group in groups if first == "*" else [first]:
                if group not in groups:
                    self._say(path, f"there is no group {group!r}; its fallbacks are not imported")
                    continue
                for other in others:
                    if other not in groups:
                        self._say(path, f"there is no group {other!r} to fall back to")
                    elif other != group and other not in found.setdefault(group, []):
                        found[group].append(other)
        return found

    def _fallback_lists(self) -> Iterator[tuple[Path, str, list[str]]]:
        for section in ("router_settings", "litellm_settings"):
            for setting in ("fallbacks", "context_window_fallbacks"):
                path: Path = (section, setting)
                given = _at(self._config, path)
                for number, entry in enumerate(given if isinstance(given, list) else []):
                    for first, others in (entry if isinstance(entry, dict) else {}).items():
                        yield (*path, number), first, [str(one) for one in others] if isinstance(others, list) else []
                if given is not None and setting != "fallbacks":
                    self._say(path, "become later attempts, which are made after other failures as well")
            default = _at(self._config, (section, "default_fallbacks"))
            if isinstance(default, list):
                yield (section, "default_fallbacks"), "*", [str(one) for one in default]

    def _aliases(self) -> Iterator[tuple[str, str, Path]]:
        given = _at(self._config, ("router_settings", "model_group_alias"))
        for alias, group in (given if isinstance(given, dict) else {}).items():
            path: Path = ("router_settings", "model_group_alias", alias)
            yield alias, str(group.get("model")) if isinstance(group, dict) else str(group), path

    # -- means ----------------------------------------------------------------------------------------------------

    def _limits(self, deployments: list[Deployment]) -> Json:
        found: Json = {}
        models: dict[str, set[str]] = {}
        accounts: dict[str, set[str]] = {}
        for one in deployments:
            name = self._accounts[one.account]
            accounts.setdefault(name, set()).add(one.model)
            models.setdefault(one.model, set()).add(name)
        for one in deployments:
            name = self._accounts[one.account]
            for setting, measure, most in (
                ("rpm", "requests_per_minute", one.requests_per_minute),
                ("tpm", "tokens_per_minute", one.tokens_per_minute),
            ):
                if most is None:
                    continue
                if len(accounts[name]) == 1:
                    found[f"{name}-{setting}"] = {"credential": name, "measure": measure, "most": most}
                elif one.model and len(models[one.model]) == 1:
                    key = f"{name}-{re.sub('[/ ]', '-', one.model)}-{setting}"[:100]
                    found[key] = {"model": one.model, "measure": measure, "most": most}
                else:
                    message = "is for one model on one of several keys; a limit here is for a key or for a model"
                    self._say(("model_list", one.index, "litellm_params", setting), f"{message}; it is not imported")
        return found

    def _budgets(self) -> Json:
        path: Path = ("litellm_settings", "max_budget")
        limit, duration = _at(self._config, path), _at(self._config, ("litellm_settings", "budget_duration"))
        if limit is None:
            return {}
        period = words.PERIODS.get(str(duration))
        if period is None or not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,12})?", str(limit)):
            self._say(path, f"of {str(duration)[:32]} has no counterpart: a budget is per day, week or month")
            return {}
        return {"litellm": {"organization": True, "period": period[0], "limit": str(limit), "hard": True}}

    # -- everything else ------------------------------------------------------------------------------------------

    def _pass_over(self) -> None:
        """Tell of every setting that nothing was made of."""
        handled = {
            "router_settings": {
                "routing_strategy",
                "fallbacks",
                "context_window_fallbacks",
                "default_fallbacks",
                "model_group_alias",
            },
            "litellm_settings": {
                "fallbacks",
                "context_window_fallbacks",
                "default_fallbacks",
                "max_budget",
                "budget_duration",
            },
        }
        for section, settings in self._config.items():
            if section == "model_list":
                continue
            if isinstance(settings, dict) and section not in words.REASONS:
                for setting in settings:
                    if setting not in handled.get(section, ()):
                        self._unmapped((section, setting))
            else:
                self._unmapped((section,))

    def _unmapped(self, path: Path) -> None:
        self._say(path, words.REASONS.get(str(path[-1]), words.UNKNOWN))


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


def _variable(name: str) -> str:
    return f"{re.sub('[^A-Z0-9]', '_', name.upper())}_KEY"


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value
