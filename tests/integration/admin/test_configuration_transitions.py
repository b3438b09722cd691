"""From any document to any other: what was asked for is then in force, and asking again changes nothing."""

from random import Random
from typing import Any

import pytest

from tests.integration.admin.world import World

TEAMS = ("Alpha", "Beta", "Gamma", "Delta", "Epsilon")
CLASSES = {"patients": 350, "drafts": 150, "secrets-of-state": 420}
PERMISSIONS = ("route:read", "route:write", "price:read", "usage:read", "grant:read")
UNPRICED: tuple[dict[str, str], ...] = ({}, {"unpriced": "allow"}, {"unpriced": "hold", "unpriced_hold": "0.10"})
SCOPES = (
    {"organization": True},
    {"team": "Beta"},
    {"member": "Ada"},
    {"virtual_key": "first key"},
    {"credential": "main"},
    {"model": "o*"},
)
MODELS = ("gpt-5*", "claude-*", "gemini-2.5-pro", "openai/*")


def document_of(draw: Random) -> dict[str, Any]:
    """Return a document that can be put in force after any other one of these."""
    classes = some(draw, list(CLASSES))
    return {
        "organization": {"time_zone": draw.choice(("UTC", "Europe/Berlin", "Asia/Kathmandu"))},
        "roles": {name: {"permissions": some(draw, PERMISSIONS, least=1)} for name in ("helper", "watcher")},
        "data_classes": {
            name: {"rank": CLASSES[name], "requires": {"baa": draw.random() < 0.5, "regions": draw.choice(([], ["eu"], ["eu", "us"]))}}
            for name in classes
        },
        "teams": teams_of(draw, classes),
        "recognizers": {
            name: {"kind": "pattern", "pattern": draw.choice(("ACME-[0-9]+", "x{3}")), "action": draw.choice(("block", "redact"))}
            for name in some(draw, ("internal-numbers", "drafts-marker"))
        },
        "service_accounts": {"bot": {"team": "Alpha"}},
        "members": {
            "Ada": {"team": "Alpha", "roles": roles_of(draw)},
            "Ben": {"team": "Beta", "roles": roles_of(draw)},
        },
        "routes": {
            name: {
                "strategy": draw.choice(("ordered", "weighted", "fastest")),
                "attempts": [
                    {"model": model, "provider": "openai", "weight": draw.randint(1, 5)}
                    for model in some(draw, ("gpt-5", "gpt-5-mini", "o3"), least=1)
                ],
            }
            for name in some(draw, ("coding", "writing", "gpt-5"))
        },
        "grants": {name: grant_of(draw) for name in some(draw, ("first", "second.one", "third", "fourth"))},
        "consents": {
            name: {
                "teams": some(draw, TEAMS, least=1),
                "data_classes": ["public"],
                "reasons": some(draw, ("throttled", "down", "out_of_funds"), least=1),
                "daily_cap": f"{draw.randint(1, 99)}.{draw.randint(1, 99)}0",
                "monthly_cap": "1000",
                "expires_at": draw.choice(("2026-06-01T02:00:00+02:00", "2026-08-01T00:00:00Z")),
            }
            for name in some(draw, ("overflow", "summer"))
        },
        "budgets": {
            "all": {"organization": True, "period": "month", "limit": f"{draw.randint(1, 9)}.50", "hard": draw.random() < 0.5},
            "alpha": {"team": "Alpha", "period": "day", "limit": "7", **draw.choice(UNPRICED)},
        },
        "limits": {
            name: {**draw.choice(SCOPES), "measure": "requests_per_minute", "most": draw.randint(1, 9)}
            for name in some(draw, ("slow", "slower", "slowest"))
        },
    }  # fmt: skip


def some(draw: Random, among: Any, *, least: int = 0) -> list[Any]:
    return draw.sample(list(among), draw.randint(least, len(among)))


def teams_of(draw: Random, classes: list[str]) -> dict[str, Any]:
    order = draw.sample(TEAMS, len(TEAMS))
    found = {}
    for number, name in enumerate(order):
        parent = draw.choice([None, *order[:number]])
        found[name] = {
            "parent": parent,
            "cost_center": str(draw.randint(1, 3)),
            "data_class": draw.choice(["", *classes]),
        }
    return found


def roles_of(draw: Random) -> list[Any]:
    roles = ("developer", "auditor", "helper", "watcher")
    everywhere = some(draw, roles)
    below = [{"role": role, "team": draw.choice(TEAMS)} for role in some(draw, roles, least=1)]
    return draw.sample([*everywhere, *below], len(everywhere) + len(below))


def grant_of(draw: Random) -> dict[str, Any]:
    subject = draw.choice(
        ({"everyone": True}, {"team": draw.choice(TEAMS)}, {"member": "Ada"}, {"service_account": "bot"})
    )
    found: dict[str, Any] = {"effect": draw.choice(("allow", "deny")), **subject}
    if draw.random() < 0.5:
        found["models"] = some(draw, MODELS, least=1)
    if draw.random() < 0.5:
        found["credentials"] = ["main"]
    if draw.random() < 0.5:
        found["endpoints"] = some(draw, ("chat", "messages", "images"), least=1)
    if draw.random() < 0.5:
        found["when"] = draw.choice(("hour >= 8 && hour < 18", "data_class != 'restricted'"))
    if draw.random() < 0.5:
        found["note"] = draw.choice(("why: because", "  spaces", "ü", "name"))
    if draw.random() < 0.3:
        found["expires_at"] = "2026-05-01T00:00:00Z"
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_from_any_document_to_any_other_and_then_nothing_differs(light_world: World, seed: int) -> None:
    world, draw = light_world, Random(seed)
    await world.add_credential()
    for _ in range(4):
        world.clock.advance(1)
        document = document_of(draw)
        document["members"]["administrator"] = {"team": "Default team", "roles": ["owner"]}
        await world.post("/config/apply", {"document": document, "prune": True})
        for again in (document, await world.get("/config")):
            plan = await world.post("/config/plan", {"document": again, "prune": True})
            assert [one for one in plan["differences"] if one["action"] != "keep"] == []
        exported = await world.get("/config")
        revision = world.snapshots.current.revision
        done = await world.post("/config/apply", {"document": exported, "prune": True})
        assert done["differences"] == []
        assert world.snapshots.current.revision == revision
