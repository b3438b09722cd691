"""Make the vendored model catalogue from a checkout of models.dev and the installed `genai-prices`.

    git clone https://github.com/anomalyco/models.dev
    python -m tools.build_catalogue models.dev --built-on 2026-11-26            writes src/keystead/catalogue/data
    python -m tools.build_catalogue models.dev --built-on 2026-11-26 --check    fails if it is not what would be written

The output is the same for the same input: sorted, one model per line so that a new release can be reviewed as a diff.
models.dev says what a model is; genai-prices adds the models that it has not heard of yet; `model_dates.toml` adds the
days that their makers publish. Prices stay in the price list.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from keystead.catalogue.facts import CAPABILITIES
from keystead.catalogue.families import family_of
from keystead.metering.price_list import Catalogue, Model, is_fine_tuned
from keystead.metering.prices import load_snapshot
from keystead.providers.table import PROVIDERS
from keystead.routing.resolve import fits

ROOT: Final = Path(__file__).resolve().parent.parent
OUTPUT: Final = ROOT / "src/keystead/catalogue/data/models.json"
DATES: Final = ROOT / "tools/model_dates.toml"

FOLDERS: Final = {
    "amazon-bedrock": "bedrock",
    "anthropic": "anthropic",
    "azure": "azure",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks-ai": "fireworks",
    "google": "google",
    "google-vertex": "vertex",
    "google-vertex-anthropic": "vertex",
    "groq": "groq",
    "mistral": "mistral",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "togetherai": "together",
    "xai": "xai",
}
"""models.dev's folder of a provider → Keystead's name for it."""

MAKERS: Final = frozenset({"anthropic", "cohere", "deepseek", "google", "mistral", "openai", "perplexity", "xai"})
"""Providers that serve what they make themselves, and hardly anything else."""

SPELLINGS: Final = {
    "deepseek-ai": "deepseek",
    "meta-llama": "meta",
    "minimaxai": "minimax",
    "mistralai": "mistral",
    "x-ai": "xai",
    "zai-org": "z-ai",
    "zhipuai": "z-ai",
}
"""Ways to write a maker's name → the way it is written here."""

STATUSES: Final = frozenset({"alpha", "beta", "deprecated"})


def main() -> int:
    """Write or check the catalogue."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="a checkout of models.dev")
    parser.add_argument("--built-on", required=True, help="the catalogue's date, YYYY-MM-DD")
    parser.add_argument("--revision", help="the checkout's commit, if it is not a git work tree")
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    arguments = parser.parse_args()
    revision = arguments.revision or _revision(arguments.checkout)
    made = render(read(arguments.checkout), built_on=arguments.built_on, revision=revision)
    if arguments.check:
        same = OUTPUT.read_text(encoding="utf-8") == made
        print("up to date" if same else f"{OUTPUT} differs from what {Path(__file__).name} makes")
        return 0 if same else 1
    OUTPUT.write_text(made, encoding="utf-8")
    print(f"{OUTPUT}: {len(made)} bytes")
    return 0


def read(checkout: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return every model, by provider and by its name there."""
    prices = load_snapshot().catalogue
    dates = tomllib.loads(DATES.read_text(encoding="utf-8"))
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for folder, provider in sorted(FOLDERS.items()):
        top = checkout / "providers" / folder / "models"
        for path in sorted(top.rglob("*.toml")):
            name = path.relative_to(top).as_posix().removesuffix(".toml")
            raw = whole(checkout, tomllib.loads(path.read_text(encoding="utf-8")))
            found.setdefault(provider, {})[name] = described(provider, name, raw, prices)
    for provider, models in prices.price_list.providers.items():
        known = found.setdefault(provider, {})
        for model in models:
            if model.id not in known and is_a_name(prices, provider, model):
                known[model.id] = undescribed(provider, model)
    for provider, rows in dates.items():
        for name, row in rows.items():
            if name in found[provider]:
                found[provider][name].update({key: day.isoformat() for key, day in row.items()})
    return found


def whole(checkout: Path, raw: dict[str, Any]) -> dict[str, Any]:
    """Return a provider's entry with what it takes over from the model's own file (models.dev's `base_model` rules)."""
    base = raw.get("base_model")
    if base is None:
        return raw
    inherited = tomllib.loads((checkout / "models" / f"{base}.toml").read_text(encoding="utf-8"))
    merged = inherited | raw
    for path in raw.get("base_model_omit", ()):
        *tables, last = path.split(".")
        at = merged
        for table in tables:
            at[table] = dict(at.get(table, {}))
            at = at[table]
        at.pop(last, None)
    return merged


def described(provider: str, name: str, raw: dict[str, Any], prices: Catalogue) -> dict[str, Any]:
    """Return the facts in an entry of models.dev."""
    limit = raw.get("limit", {})
    modalities = raw.get("modalities", {})
    status = raw.get("status", "")
    if status and status not in STATUSES:
        raise SystemExit(f"{provider}/{name}: unknown status {status!r}")
    return {
        "id": name,
        "name": raw["name"].strip(),
        "family": raw.get("family", "").strip() or family_of(name),
        "maker": maker_of(provider, name, raw.get("base_model", "")),
        "released": raw.get("release_date", ""),
        "status": status,
        "knowledge": raw.get("knowledge", ""),
        "context": limit.get("context") or None,
        "max_input": limit.get("input") or None,
        "max_output": limit.get("output") or None,
        "input": sorted(modalities.get("input", ())),
        "output": sorted(modalities.get("output", ())),
        "can": capabilities(provider, name, raw, prices),
        "open_weights": raw.get("open_weights"),
    }


def undescribed(provider: str, model: Model) -> dict[str, Any]:
    """Return what a model's name and price alone say of it."""
    return {
        "id": model.id,
        "family": family_of(model.id),
        "maker": maker_of(provider, model.id, ""),
        "context": model.context,
    }


def is_a_name(prices: Catalogue, provider: str, model: Model) -> bool:
    """Say whether a price entry's id is a name that its provider understands, not only the title of the entry."""
    found = prices.find(provider, model.id)
    if found is None or found.borrowed or found.model.id != model.id or is_fine_tuned(model.id):
        return False
    return provider not in MAKERS or fits(model.id, PROVIDERS[provider].native_models)


def capabilities(provider: str, name: str, raw: dict[str, Any], prices: Catalogue) -> list[str]:
    """Return what a model can do, in the catalogue's words."""
    modalities = raw.get("modalities", {})
    reads, writes = modalities.get("input", ()), modalities.get("output", ())
    price = prices.find(provider, name)
    cached = price is not None and any("cache_read_tokens" in row.prices for row in price.model.rows)
    held = {
        "tools": raw.get("tool_call"),
        "vision": "image" in reads,
        "documents": "pdf" in reads,
        "audio_input": "audio" in reads,
        "video_input": "video" in reads,
        "image_output": "image" in writes,
        "audio_output": "audio" in writes,
        "video_output": "video" in writes,
        "structured_output": raw.get("structured_output"),
        "reasoning": raw.get("reasoning"),
        "caching": "cache_read" in raw.get("cost", {}) or cached,
        "sampling": raw.get("temperature"),
        "embeddings": "embed" in name or "embed" in raw.get("family", ""),
    }
    assert held.keys() == set(CAPABILITIES), "every word has a rule"
    return [word for word in CAPABILITIES if held[word]]


def maker_of(provider: str, name: str, base: str) -> str:
    """Return who made a model: by models.dev's own file of it, else by the name's first part, else its provider."""
    if base:
        said = base.partition("/")[0]
    elif provider in MAKERS:
        said = provider
    elif provider == "bedrock":
        parts = name.split(".")
        said = parts[1] if len(parts) > 2 and len(parts[0]) <= len("global") else parts[0]
    elif name.startswith("accounts/"):
        said = ""
    else:
        said = name.partition("/")[0] if "/" in name else ""
    said = said.lower().lstrip("~")
    return SPELLINGS.get(said, said)


def render(found: dict[str, dict[str, dict[str, Any]]], *, built_on: str, revision: str) -> str:
    """Return the file's text."""
    body = ",\n".join(
        f"{json.dumps(provider)}:[\n" + ",\n".join(_line(models[name]) for name in sorted(models)) + "]"
        for provider, models in sorted(found.items())
    )
    head = {
        "sources": {
            "https://github.com/anomalyco/models.dev": revision,
            "https://github.com/pydantic/genai-prices": version("genai-prices"),
        },
        "licence": "MIT; see NOTICE beside this file",
        "built_on": built_on,
        "sha256": hashlib.sha256(body.encode()).hexdigest(),
    }
    lines = [f"{json.dumps(key)}:{json.dumps(value, sort_keys=True)}" for key, value in head.items()]
    return "{" + ",\n".join([*lines, '"providers":{\n' + body + "}"]) + "}\n"


def _line(model: dict[str, Any]) -> str:
    kept = {key: value for key, value in model.items() if value not in ("", None, [])}
    if "can" in model:
        kept["can"] = model["can"]  # knowing that it can do none of these is not the same as not knowing
    return json.dumps(dict(_sorted(kept)), separators=(",", ":"))


def _sorted(kept: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "id", kept.pop("id")
    yield from sorted(kept.items())


def _revision(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
