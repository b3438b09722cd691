"""The command line against a gateway that really runs."""

import json
from pathlib import Path

import pytest

from tests.fakes.command_line import Run, answer
from tests.fakes.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_credential_lives_from_its_first_key_to_its_end(run: Run) -> None:
    added = await run(
        "credential", "add", "life", "--provider", "sandbox", "--model", "echo*", stdin="canary-key-number-one\n"
    )
    assert "state          active" in added.stdout
    assert "Probe of version 1: valid" in added.stdout
    rotated = await answer(run, "credential", "rotate", "life", stdin="canary-key-number-two\n")
    assert rotated["credential"]["active_version"] == 2
    rolled_back = await answer(run, "credential", "rollback", "life")
    assert rolled_back["active_version"] == 1
    probed = await answer(run, "credential", "probe", "life", "--version", "2")
    assert probed["probe"]["outcome"] == "valid"
    await run("credential", "activate", "life", "2")
    await run("credential", "retire", "life", "1")
    shown = await run("credential", "show", "life")
    assert [line.split()[1] for line in shown.stdout.splitlines() if line.strip()[:1].isdigit()] == [
        "retired",
        "active",
    ]
    moved = await answer(run, "credential", "destination", "life", "https://nowhere.invalid", "--yes")
    assert (moved["origin"], moved["active_version"]) == ("https://nowhere.invalid", None)
    await run("credential", "revoke", "life", "--yes")
    listed = (await run("credential", "list")).stdout
    assert [line.split()[:2] for line in listed.splitlines()[2:]] == [["sandbox", "sandbox"], ["life", "sandbox"]]
    assert "revoked" in listed
    for output in (added.output, json.dumps(rotated), shown.output, listed):
        assert "canary-key" not in output


async def test_a_key_is_shown_once_and_alone_and_works_until_it_is_revoked(run: Run, gateway: Gateway) -> None:
    created = await run("key", "create", "ci", "--model", "sandbox/*", "--credential", "sandbox", "--expires", "30d")
    key = created.stdout.strip()
    assert key.startswith("ks_")
    assert "shown this once" in created.stderr
    assert (await gateway.chat("sandbox/echo", key=key)).status == 200
    assert key not in (await run("key", "list", "--team", "Default team")).stdout
    await run("key", "revoke", "ci", expect=2)
    await run("key", "revoke", "ci", "--yes")
    assert (await gateway.chat("sandbox/echo", key=key)).status == 401


async def test_a_key_is_tagged_and_its_usage_summed_by_tag_and_written_as_a_focus_file(
    run: Run, gateway: Gateway
) -> None:
    key = (await run("key", "create", "tagged", "--tag", "project=apollo", "--tag", "stage=a=b")).stdout.strip()
    assert (await gateway.chat("sandbox/echo", key=key)).status == 200
    report = await answer(run, "usage", "--by", "tag:project", "--since", "1d")
    assert "apollo" in [line["keys"][0]["name"] for line in report["lines"]]
    written = (await run("usage", "focus", "--since", "1d")).stdout
    assert written.startswith("BilledCost,")
    assert '"{""project"":""apollo"",""stage"":""a=b""}"' in written
    await run("usage", "focus", "--time-zone", "Nowhere/Land", expect=1)
    changed = await answer(run, "key", "tag", "tagged", "project=zephyr", "--remove", "stage")
    assert changed["tags"] == {"project": "zephyr"}
    assert "project=zephyr" in (await run("key", "list")).stdout
    for wrong in (["project"], [], ["--remove", "nothing"]):
        await run("key", "tag", "tagged", *wrong, expect=2)


async def test_a_request_can_be_found_shown_and_summed(run: Run, gateway: Gateway) -> None:
    reply = await gateway.chat("sandbox/echo")
    identifier = reply.headers["x-keystead-request-id"]
    listed = await run("request", "list", "--since", "1h", "--model", "echo", "--key", "first key")
    assert identifier in listed.stdout
    assert "settled" in listed.stdout
    shown = await run("request", "show", identifier)
    assert "sandbox v1 (sandbox)" in shown.stdout
    assert "counted by  provider" in shown.stdout
    usage = await run("usage", "--by", "team,credential,model", "--since", "1d")
    assert "Default team" in usage.stdout
    assert "total" in usage.stdout
    report = await answer(run, "usage", "--by", "owner")
    assert report["lines"][0]["keys"][0]["name"] == "sandbox"
    assert isinstance(report["totals"][0]["cost"], str)


async def test_requests_are_exported_whole_or_not_at_all(run: Run, gateway: Gateway, tmp_path: Path) -> None:
    identifier = (await gateway.chat("sandbox/echo")).headers["x-keystead-request-id"]
    shown = await run("request", "export", "--model", "echo")
    assert shown.stdout.startswith("id,started_at,")
    assert identifier in shown.stdout
    file = tmp_path / "echo.jsonl"
    said = await run("request", "export", "--model", "echo", "--file", str(file))
    assert (said.stdout, "is there" in said.stderr) == ("", True)
    assert identifier in {json.loads(line)["id"] for line in file.read_text().splitlines()}
    await run("request", "export", "--min-cost", "much", "--file", str(tmp_path / "none.csv"), expect=1)
    assert list(tmp_path.iterdir()) == [file]


async def test_a_route_is_written_used_changed_and_deleted(run: Run, gateway: Gateway) -> None:
    first = "credential=sandbox,model=echo,weight=3,first-byte=20"
    created = await run("route", "create", "mine", "--attempt", first, "--strategy", "weighted", "--sticky")
    assert "weighted, sticky" in created.stdout
    assert "refuse" in created.stdout
    assert [line.split() for line in created.stdout.splitlines() if "echo" in line] == [
        ["sandbox", "echo", "3", "20", "s"]
    ]
    assert (await gateway.chat("mine")).status == 200
    await run("route", "set", "mine", expect=2)
    changed = await answer(
        run, "route", "set", "mine", "--strategy", "ordered", "--no-sticky", "--attempt", "provider=openai,model=gpt-5"
    )
    assert (await answer(run, "route", "set", "mine", "--unsupported", "drop"))["unsupported"] == "drop"
    assert (changed["strategy"], changed["attempts"][0]["provider"]) == ("ordered", "openai")
    assert "any of openai" in (await run("route", "show", "mine")).stdout
    assert "openai/gpt-5" in (await run("route", "list")).stdout
    assert (await gateway.chat("mine")).status == 404
    await run("route", "delete", "mine", expect=2)
    await run("route", "delete", "mine", "--yes")
    assert await answer(run, "route", "list") == []


async def test_people_and_tokens_are_managed(run: Run, gateway: Gateway) -> None:
    await run("team", "create", "Research", "--cost-center", "4711")
    await run("member", "create", "Ada", "--role", "auditor", "--team", "Research")
    token = (await run("token", "create", "audit", "--member", "Ada")).stdout.strip()
    held = (await gateway.call("GET", "/admin/v1/self", key=token)).json()
    assert (held["member"], "audit:read" in held["permissions"]) == ("Ada", True)
    assert (await gateway.call("POST", "/admin/v1/teams", {"name": "x"}, key=token)).status == 403
    [shown] = [row for row in await answer(run, "token", "list") if row["name"] == "audit"]
    await run("token", "revoke", shown["id"], "--yes")
    await run("member", "disable", "Ada", "--yes")
    assert (await gateway.call("GET", "/admin/v1/self", key=token)).status == 401
    assert "4711" in (await run("team", "list")).stdout
    assert "disabled" in (await run("member", "list")).stdout
    audited = await run("audit", "list", "--since", "1h", "--limit", "3")
    assert [line.split()[3] for line in audited.stdout.splitlines()[2:]] == [
        "member.disabled",
        "admin_token.revoked",
        "admin_token.created",
    ]


async def test_an_organization_is_shaped_from_the_command_line(run: Run, gateway: Gateway) -> None:
    assert "UTC" in (await run("organization", "show")).stdout
    await run("organization", "change", "--time-zone", "Europe/Berlin", "--name", "Acme")
    assert "Europe/Berlin" in (await run("organization", "list")).stdout
    await run("organization", "change", expect=2)
    changed = await answer(run, "organization", "change", "--second-factor", "required")
    assert (changed["second_factor_required"], changed["time_zone"]) == (True, "Europe/Berlin")
    assert "required" in (await run("organization", "show")).stdout
    await run("organization", "change", "--second-factor", "optional")
    created = await run("organization", "create", "Hospital", "--owner", "Grace", "--open")
    token = created.stdout.strip()
    assert token.startswith("ksa_")
    assert "shown this once" in created.stderr
    assert (await gateway.call("GET", "/admin/v1/self", key=token)).json()["member"] == "Grace"
    await run("team", "create", "Sales", "--cost-center", "1", "--data-class", "internal")
    await run("team", "create", "EMEA", "--under", "Sales")
    await run("team", "move", "Sales", "--under", "EMEA", expect=1)
    await run("team", "move", "EMEA", expect=2)
    await run("team", "move", "EMEA", "--top")
    await run("team", "rename", "EMEA", "Europe")
    await run("team", "data-class", "Europe", "confidential")
    await run("team", "data-class", "Europe", "", expect=2)  # a script's variable that is not set
    await run("key", "create", "open", "--mine", "--data-class", "", expect=2)
    await run("team", "cost-center", "Europe", "2", "--from", "2999-01-01")
    shown = (await run("team", "show", "Europe")).stdout
    assert "confidential" in shown
    assert "2999" in shown
    listed = [row for row in await answer(run, "team", "list") if row["name"] == "Europe"]
    assert [(row["parent"], row["cost_center"]) for row in listed] == [(None, "1")]


async def test_roles_are_made_and_given_from_the_command_line(run: Run, gateway: Gateway) -> None:
    await run("role", "create", "key master", "--permission", "key:read", "--permission", "key:write")
    await run("role", "create", "god", "--permission", "platform:credits", expect=2)
    await run("member", "create", "Ben", "--role", "key master@Default team", "--team", "Default team")
    given = await answer(run, "member", "assign", "Ben", "developer")
    assert [(role["name"], role["team"]) for role in given["roles"]] == [
        ("key master", "Default team"),
        ("developer", None),
    ]
    assert "key master@Default team, developer" in (await run("member", "list")).stdout
    await run("role", "delete", "key master", "--yes", expect=1)
    await run("member", "unassign", "Ben", "key master@Default team")
    await run("role", "change", "key master", "--permission", "key:read")
    assert "key master" in (await run("role", "list")).stdout
    await run("role", "delete", "key master", "--yes")
    await run("member", "assign", "Ben", "@x", expect=2)
    token = (await run("token", "create", "ben", "--member", "Ben")).stdout.strip()
    body = {"name": "laptop", "team": "Default team", "member": given["id"]}
    assert (await gateway.call("POST", "/admin/v1/virtual-keys", body, key=token)).status == 201


async def test_keys_are_narrowed_and_programs_get_them_from_the_command_line(run: Run, gateway: Gateway) -> None:
    await run("service-account", "create", "nightly", "--team", "Default team")
    key = (
        await run(
            "key", "create", "night", "--team", "Default team", "--service-account", "nightly", "--endpoint", "chat"
        )
    ).stdout.strip()
    assert (await gateway.chat("sandbox/echo", key=key)).status == 200
    options = ("--network", "10.0.0.0/8", "--data-class", "internal", "--max-output-tokens", "10")
    await run("key", "create", "mine", "--mine", *options)
    await run("key", "create", "both", "--mine", "--member", "Ada", expect=2)
    listed = {item["name"]: item for item in await answer(run, "key", "list")}
    assert (listed["night"]["endpoints"], listed["night"]["principal"]) == (["chat"], "nightly")
    mine = listed["mine"]
    assert (mine["networks"], mine["data_class"], mine["max_output_tokens"], mine["principal"]) == (
        ["10.0.0.0/8"],
        "internal",
        10,
        "administrator",
    )
    await run("service-account", "disable", "nightly", "--yes")
    assert "disabled" in (await run("service-account", "list")).stdout
    assert (await gateway.chat("sandbox/echo", key=key)).status == 401


async def test_prices_are_shown_per_million_and_ones_own_are_exact(run: Run) -> None:
    listed = (await run("price", "list", "--provider", "openai", "--search", "gpt-4o", "--limit", "5")).stdout
    assert len(listed.splitlines()) == 7
    assert "1.25" in (await run("price", "show", "gpt-5", "--provider", "openai")).stdout
    await run("price", "override", "add", "--provider", "vllm", "--model", "llama*", expect=2)
    added = await answer(
        run, "price", "override", "add", "--provider", "vllm", "--model", "llama*", "--per-million", "input_tokens=0.1"
    )
    assert added["prices"] == {"input_tokens": "0.0000001"}
    assert "input 0.1" in (await run("price", "override", "list", "--in-force")).stdout
    await run("price", "override", "end", added["id"], "--yes")
    assert await answer(run, "price", "override", "list", "--in-force") == []


async def test_an_error_says_what_happened_whose_fault_it_is_and_what_to_do(run: Run) -> None:
    refused = await run("credential", "show", "nothing", expect=1)
    assert refused.stdout == ""
    lines = refused.stderr.splitlines()
    assert lines[0] == "Error: There is no such credential."
    assert lines[1].startswith("Fault: this command's (credential_not_found, op_")
    assert lines[2].startswith("Next:  ")
    in_json = await run("credential", "show", "nothing", "--output", "json", expect=1)
    assert json.loads(in_json.stderr)["code"] == "credential_not_found"
    unreachable = await run(
        "credential",
        "add",
        "far",
        "--provider",
        "vllm",
        "--origin",
        "https://nowhere.invalid",
        stdin="k" * 20,
        expect=1,
    )
    assert "Fault: the provider's (probe_inconclusive" in unreachable.stderr
    await run("credential", "add", "far", "--provider", "vllm", stdin="", expect=2)


async def test_the_doctor_looks_here_and_there(
    run: Run, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = await answer(run, "doctor")
    assert {found["where"] for found in there} == {"gateway"}
    assert {found["state"] for found in there} <= {"ok", "warning"}
    jobs = (await gateway.admin("GET", "/doctor"))["jobs"]
    assert [found["name"] for found in there if found["name"].startswith("job ")] == [
        f"job {job['name']}" for job in jobs
    ]
    assert jobs
    monkeypatch.delenv("KEYSTEAD_URL")
    monkeypatch.setenv("KEYSTEAD_PORT", gateway.url.rpartition(":")[2])
    whole = await answer(run, "doctor")
    assert {found["where"] for found in whole} == {"this machine", "gateway"}
    assert {found["state"] for found in whole} <= {"ok", "warning"}


async def test_the_doctor_tells_who_is_no_operator_that_the_gateway_answers(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run("member", "create", "Dora", "--role", "owner", "--team", "Default team")
    token = (await run("token", "create", "dora", "--member", "Dora")).stdout.strip()
    monkeypatch.setenv("KEYSTEAD_ADMIN_TOKEN", token)
    [found] = await answer(run, "doctor")
    assert (found["name"], found["state"]) == ("answer", "ok")
    assert "operator" in found["message"]


async def test_the_doctor_finds_what_is_wrong_without_a_gateway(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    monkeypatch.delenv("KEYSTEAD_URL")
    monkeypatch.setenv("KEYSTEAD_HOME", str(home))
    monkeypatch.setenv("KEYSTEAD_PORT", "1")
    assert "does not exist" in (await run("doctor", expect=1)).stdout
    home.mkdir(mode=0o700)
    (home / "root.key").write_text("x")
    (home / "root.key").chmod(0o644)
    (home / "admin.token").write_text("ksa_x")
    (home / "admin.token").chmod(0o600)
    (home / "keystead.db").write_text("not a database")
    shown = (await run("doctor", expect=1)).stdout
    assert f"chmod 600 {home / 'root.key'}" in shown
    assert "is not a SQLite database" in shown
    assert "Keystead does not answer at http://127.0.0.1:1." in shown
    settings = (await run("doctor", "--settings")).stdout
    assert "KEYSTEAD_EGRESS_ALLOW" in settings
