"""Configuration as code and simulation from the command line, against a gateway that really runs."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fakes.command_line import Run
from tests.fakes.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYSTEAD = """\
teams:
  Research:
    cost_center: 0123      # stays text
credentials:
  second:
    provider: sandbox
    key: ${SECOND_KEY}
    rotate: true
routes:
  echo-1.5:
    attempts:
      - credential: second
        model: echo
grants:
  research.all:
    team: Research
    when: hour >= 0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keystead.yaml"
    path.write_text(KEYSTEAD)
    return path


async def test_a_file_is_planned_applied_and_watched_for_drift(
    run: Run, gateway: Gateway, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = (await run("config", "plan", str(file))).stdout
    assert '+ teams.Research\n    cost_center: "0123"' in planned
    assert "4 to create, 0 to change, 0 to remove." in planned
    assert "Keys to bring: second." in planned
    missing = await run("config", "apply", str(file), expect=1)
    assert (
        f"{file}:7: the key of 'second' is not there: the environment variable SECOND_KEY is not set." in missing.stderr
    )
    await run("config", "apply", str(file), "--dry-run")
    assert "Research" not in (await run("team", "list")).stdout
    monkeypatch.setenv("SECOND_KEY", "canary-key-number-one")
    applied = await run("config", "apply", str(file))
    assert "Applied: 4 created, 0 changed, 0 removed." in applied.stdout
    assert (await gateway.chat("echo-1.5")).status == 200
    again = await run("config", "apply", str(file))
    assert again.stdout == "Nothing differs.\n"
    await run("config", "drift", str(file))
    await run("route", "set", "echo-1.5", "--strategy", "fastest")
    await run("credential", "set", "second", "--model", "echo*", "--on-disconnect", "cancel")
    drifted = await run("config", "drift", str(file), expect=2)
    assert '~ routes.echo-1.5\n    strategy: "fastest" → "ordered"' in drifted.stdout
    assert '~ credentials.second\n    models: ["echo*"] → –\n    on_disconnect: "cancel" → "drain"' in drifted.stdout
    await run("config", "apply", str(file))
    monkeypatch.setenv("SECOND_KEY", "canary-key-number-two")
    await run("config", "apply", str(file))
    shown = json.loads((await run("credential", "show", "second", "-o", "json")).stdout)
    assert shown["active_version"] == 2
    for result in (applied, again, drifted):
        assert "canary-key" not in result.output


async def test_what_is_exported_can_be_applied_and_changes_nothing(run: Run, tmp_path: Path) -> None:
    exported = (await run("config", "export")).stdout
    path = tmp_path / "exported.yaml"
    path.write_text(exported)
    assert (await run("config", "drift", str(path), "--prune")).stdout == "Nothing differs.\n"
    assert (await run("config", "plan", "-", "--prune", stdin=exported)).stdout == "Nothing differs.\n"
    assert "key: ${SANDBOX_KEY}" in exported
    assert json.loads((await run("config", "export", "-o", "json")).stdout)["organization"]["time_zone"] == "UTC"


async def test_a_key_can_lie_in_a_file(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    document = f"credentials: {{filed: {{provider: sandbox, key: 'file:{secret}'}}}}"
    refused = await run("config", "apply", "-", stdin=document, expect=1)
    assert f"{secret} cannot be read (No such file or directory)." in refused.stderr
    secret.write_text("canary-key-in-a-file\n")
    assert "canary" not in (await run("config", "apply", "-", stdin=document)).output
    assert "active" in (await run("credential", "show", "filed")).stdout


async def test_what_goes_is_asked_about_first(run: Run) -> None:
    await run("route", "create", "gone", "--attempt", "provider=sandbox,model=echo")
    await run("config", "apply", "-", "--prune", stdin="routes: {}", expect=2)
    assert "gone" in (await run("route", "list")).stdout
    removed = await run("config", "apply", "-", "--prune", "--yes", stdin="routes: {}")
    assert "- routes.gone" in removed.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("teams:\n  A:\n    colour: red\n", ":3: teams.A.colour: Object contains unknown field `colour`."),
        ("teams:\n  A: {}\nteems: {}\n", ":3: There is no section 'teems'."),
        ("- a\n", ":1: A document is fields"),
        ("routes:\n  r:\n    attempts:\n      - {model: a, weight: heavy}\n", ":4: routes.r.attempts[0].weight: Expected `int`"),
        ("grants:\n  'a b':\n    everyone: true\n", ":2: grants.a b: Expected `str` matching regex"),
        ("credentials:\n  c:\n    provider: sandbox\n    key: canary\n", ":4: credentials.c.key: A key is not written"),
        ("limits:\n  l: {measure: requests_per_minute}\n", ":2: limits.l: Object missing required field `most`."),
        ("teams: {A: {parent: &x B}}\n", ":1: Anchors"),
        ("grants:\n  g:\n    everyone: true\n    when: model =\n", ":4: grants.g: This is not a condition."),
        ("grants:\n  g.h:\n    team: Nobody\n", ":2: grants.g.h: There is no team 'Nobody'."),
        ("teams:\n  A: {parent: A}\n", ":2: The team 'A' would stand below itself."),
        (
            "budgets:\n  b:\n    organization: true\n    period: month\n    limit: 5\n    currency: EUR\n",
            ":6: Nothing would be counted in 'EUR'",
        ),
    ],
)  # fmt: skip
async def test_a_mistake_is_told_with_its_line(run: Run, text: str, told: str) -> None:
    refused = await run("config", "apply", "-", "--dry-run", stdin=text, expect=1)
    assert f"standard input{told}" in refused.stderr
    assert "canary" not in refused.output


async def test_a_policy_is_tried_on_what_was_asked(run: Run, gateway: Gateway, tmp_path: Path) -> None:
    reply = await gateway.chat("sandbox/echo", max_tokens=50)
    await gateway.chat("sandbox/echo", headers={"x-keystead-tags": "project=apollo"}, max_tokens=50)
    policy = tmp_path / "new.yaml"
    policy.write_text("grants:\n  no-echo:\n    effect: deny\n    everyone: true\n    models: [echo]\n")
    simulated = (await run("simulate", "--policy", str(policy), "--last", "1h")).stdout
    assert "Refused now" in simulated
    assert "(no-echo)" in simulated
    assert reply.headers["x-keystead-request-id"] in simulated
    assert "Recognisers: prompts are not stored" in simulated
    assert (await gateway.chat("sandbox/echo")).status == 200
    policy.write_text("grants:\n  no-echo:\n    when: nonsense(\n    everyone: true\n")
    assert f"{policy}:3: grants.no-echo" in (await run("simulate", "--policy", str(policy), expect=1)).stderr


async def test_what_is_in_force_changes_nothing_of_what_was_recorded(
    run: Run, gateway: Gateway, tmp_path: Path
) -> None:
    since = datetime.now(UTC).isoformat()
    await gateway.chat("sandbox/echo", max_tokens=50)
    await gateway.chat("nobody/has-this")
    await gateway.chat("sandbox/echo", headers={"x-keystead-data-class": "restricted"})
    policy = tmp_path / "same.yaml"
    policy.write_text((await run("config", "export")).stdout)
    told = await run("simulate", "--policy", str(policy), "--prune", "--last", since, "-o", "json")
    answer = json.loads(told.stdout)
    assert answer["requests"] == 3
    assert answer["otherwise_recorded"] == 0
    assert [kind for kind, sums in answer["totals"].items() if sums["requests"]] == ["same"]
    policy.write_text(
        "limits:\n  short:\n    organization: true\n    measure: max_output_tokens\n    most: 49\n"
        "grants:\n  by-tags:\n    effect: deny\n    everyone: true\n    when: has(tags.project)\n"
    )
    await gateway.chat("sandbox/echo", headers={"x-keystead-tags": "project=apollo"}, max_tokens=49)
    shown = (await run("simulate", "--policy", str(policy), "--last", since, "--examples", "1")).stdout
    assert "output_limit" in shown
    assert "Its tags decide, which are not recorded: `has(tags.project)`." in shown
    assert shown.count("req_") == 1 + 2, "one example, and one for each finding"
    nothing = (await run("simulate", "--policy", str(policy), "--until", "2020-01-01", "--last", "2019-12-01")).stdout
    assert "requests          0 from" in nothing


async def test_a_litellm_configuration_becomes_a_plan(run: Run, tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "fixtures" / "litellm" / "team_proxy.yaml"
    document = tmp_path / "keystead.yaml"
    await run("import-litellm", str(source), "--output", str(document))
    planned = (await run("config", "apply", str(document), "--dry-run")).stdout
    assert "+ routes.gpt-4o\n" in planned
    assert "12 to create" in planned
