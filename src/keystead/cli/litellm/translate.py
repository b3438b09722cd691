"""The translation of a whole LiteLLM configuration. Pure."""

import re
from collections.abc import Mapping

import msgspec

from keystead.cli.litellm import words
from keystead.cli.litellm.credentials import make_credentials, name_accounts
from keystead.cli.litellm.deployments import Account, Deployment, read_deployments
from keystead.cli.litellm.routes import Routes
from keystead.cli.litellm.source import Finding, Json, Source
from keystead.cli.yaml_tree import Tree


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """A document, and what it does not hold."""

    document: Json
    findings: tuple[Finding, ...]


def translate(tree: Tree) -> Translation:
    """Translate a LiteLLM configuration. Everything that is passed over is told of."""
    source = Source(tree)
    deployments = read_deployments(source)
    accounts = name_accounts(deployments)
    sections = {
        "credentials": make_credentials(source, deployments, accounts),
        "routes": Routes(source, accounts).made_of(deployments),
        "budgets": _budgets(source),
        "limits": _limits(source, deployments, accounts),
    }
    _pass_over(source)
    return Translation(
        document={"keystead": 1} | {name: section for name, section in sections.items() if section},
        findings=source.findings,
    )


def _limits(source: Source, deployments: list[Deployment], accounts: Mapping[Account, str]) -> Json:
    found: Json = {}
    models: dict[str, set[str]] = {}
    served: dict[str, set[str]] = {}
    for one in deployments:
        name = accounts[one.account]
        served.setdefault(name, set()).add(one.model)
        models.setdefault(one.model, set()).add(name)
    for one in deployments:
        name = accounts[one.account]
        for setting, measure, most in (
            ("rpm", "requests_per_minute", one.requests_per_minute),
            ("tpm", "tokens_per_minute", one.tokens_per_minute),
        ):
            if most is None:
                continue
            if len(served[name]) == 1:
                found[f"{name}-{setting}"] = {"credential": name, "measure": measure, "most": most}
            elif one.model and len(models[one.model]) == 1:
                key = f"{name}-{re.sub('[/ ]', '-', one.model)}-{setting}"[:100]
                found[key] = {"model": one.model, "measure": measure, "most": most}
            else:
                message = "is for one model on one of several keys; a limit here is for a key or for a model"
                source.say(("model_list", one.index, "litellm_params", setting), f"{message}; it is not imported")
    return found


def _budgets(source: Source) -> Json:
    path = ("litellm_settings", "max_budget")
    limit, duration = source.at(*path), source.at("litellm_settings", "budget_duration")
    if limit is None:
        return {}
    period = words.PERIODS.get(str(duration))
    if period is None or not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,12})?", str(limit)):
        source.say(path, f"of {str(duration)[:32]} has no counterpart: a budget is per day, week or month")
        return {}
    return {"litellm": {"organization": True, "period": period[0], "limit": str(limit), "hard": True}}


def _pass_over(source: Source) -> None:
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
    for section, settings in source.sections.items():
        if section == "model_list":
            continue
        if isinstance(settings, dict) and section not in words.REASONS:
            for setting in settings:
                if setting not in handled.get(section, ()):
                    source.pass_over((section, setting))
        else:
            source.pass_over((section,))
