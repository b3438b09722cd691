"""The pure parts of configuration as code: documents, their names, differences and the order of the calls."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import InvalidRequestError
from keystead.web.admin.config.difference import differences, without_ended
from keystead.web.admin.config.document import SECTIONS, Document, Team, canonical
from keystead.web.admin.config.names import named, noted
from keystead.web.admin.config.read import key_reference
from keystead.web.admin.config.steps import KeyStep, Step, keys_needed, steps_of


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    note: str


def document_of(value: dict[str, Any]) -> Document:
    return canonical(msgspec.convert(value, Document))


def difference_between(before: dict[str, Any], after: dict[str, Any], *, prune: bool = False) -> list[str]:
    found = differences(document_of(before), document_of(after), gone=(), prune=prune)
    return [f"{one.action} {one.section}.{one.name}" for one in found]


def calls(before: dict[str, Any], after: dict[str, Any], *, prune: bool = False) -> list[str]:
    there, wanted = document_of(before), document_of(after)
    found = steps_of(differences(there, wanted, gone=(), prune=prune), there, wanted, {("grants", "g"): "grt_1"})
    return [
        "key" if isinstance(step, KeyStep) else " ".join([step.route, *step.path.values(), *_name(step)])
        for step in found
    ]


def _name(step: Step) -> list[str]:
    return [step.body["name"]] if "name" in step.body else []


NAMES = st.sampled_from(["a", "b.c", "d-e"])
TIMES = st.datetimes(
    datetime(2026, 1, 1),  # noqa: DTZ001 - the zone is drawn
    datetime(2029, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5.5))]),
)
AMOUNTS = st.decimals(0, 10**6, places=6).map(str)
GRANTS = st.fixed_dictionaries(
    {"effect": st.sampled_from(["allow", "deny"])},
    optional={
        "team": NAMES,
        "models": st.lists(st.sampled_from(["gpt-5*", "o3"]), min_size=1, max_size=4),
        "note": st.text("ab: ", max_size=9),
        "expires_at": TIMES.map(datetime.isoformat),
    },
)
BUDGETS = st.fixed_dictionaries(
    {"period": st.just("month"), "limit": AMOUNTS},
    optional={"unpriced_hold": AMOUNTS, "hard": st.booleans(), "model": NAMES},
)
MEMBERS = st.fixed_dictionaries(
    {"team": NAMES},
    optional={"roles": st.lists(st.one_of(NAMES, st.fixed_dictionaries({"role": NAMES, "team": NAMES})), max_size=5)},
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "grants": st.dictionaries(NAMES, GRANTS, max_size=3),
        "budgets": st.dictionaries(NAMES, BUDGETS, max_size=3),
        "members": st.dictionaries(NAMES, MEMBERS, max_size=3),
        "data_classes": st.dictionaries(st.sampled_from(["own", "internal"]), st.just({"rank": 7}), max_size=2),
    },
)


@given(DOCUMENTS)
def test_the_canonical_form_is_one_and_survives_the_network(value: dict[str, Any]) -> None:
    found = document_of(value)
    assert canonical(found) == found
    assert msgspec.json.decode(msgspec.json.encode(found), type=Document) == found
    assert differences(found, found, gone=(), prune=True) == ()


@given(DOCUMENTS, DOCUMENTS)
def test_what_differs_is_told_and_nothing_else(before: dict[str, Any], after: dict[str, Any]) -> None:
    there, wanted = document_of(before), document_of(after)
    told = {one.place for one in differences(there, wanted, gone=(), prune=True)}
    for section in SECTIONS:
        asked = getattr(wanted, section)
        known = getattr(there, section) or {}
        for name in {*known, *(asked or {})}:
            same = asked is None or known.get(name) == asked.get(name)
            silent = section == "data_classes" and name in known and name in (asked or {})
            assert ((section, name) in told) is not (same or silent)


def test_amounts_times_and_roles_mean_what_they_mean_however_they_are_written() -> None:
    one = {"budgets": {"b": {"period": "day", "limit": "10.50", "ends_at": "2027-01-01T02:00:00+02:00"}},
           "members": {"m": {"team": "t", "roles": [{"role": "a", "team": "t"}, "owner", "owner"]}}}  # fmt: skip
    other = {"budgets": {"b": {"period": "day", "limit": "10.5", "ends_at": "2027-01-01T00:00:00Z"}},
             "members": {"m": {"team": "t", "roles": ["owner", {"role": "a", "team": "t"}]}}}  # fmt: skip
    assert difference_between(one, other) == []


def test_what_is_left_out_stays_where_it_says_nothing_and_is_the_default_elsewhere() -> None:
    team = {"teams": {"A": {"cost_center": "1", "data_class": "internal", "parent": "B"}, "B": {}}}
    assert difference_between(team, {"teams": {"A": {"data_class": "internal", "parent": "B"}}}) == []
    assert difference_between(team, {"teams": {"A": {}}}) == ["change teams.A"]


def test_a_section_that_is_left_out_is_not_pruned() -> None:
    before = {
        "grants": {"g": {"everyone": True}},
        "routes": {"r": {"attempts": [{"model": "m", "provider": "openai"}]}},
    }
    assert difference_between(before, {"grants": {}}, prune=True) == ["remove grants.g"]
    assert difference_between(before, {"grants": {}}) == []
    assert difference_between(before, {}, prune=True) == []


def test_teams_and_credentials_are_kept() -> None:
    before = {"teams": {"A": {}}, "credentials": {"c": {"provider": "openai"}}}
    after: dict[str, Any] = {"teams": {}, "credentials": {}}
    assert difference_between(before, after, prune=True) == ["keep teams.A", "keep credentials.c"]


def test_a_circle_of_teams_is_refused_wherever_its_parts_are_written() -> None:
    with pytest.raises(InvalidRequestError, match="below itself"):
        difference_between({"teams": {"A": {"parent": "B"}, "B": {}}}, {"teams": {"B": {"parent": "A"}}})


def test_what_is_referred_to_is_made_first_and_goes_last() -> None:
    wanted: dict[str, Any] = {
        "grants": {"g": {"team": "Lower", "credentials": ["c"]}},
        "teams": {"Lower": {"parent": "Upper", "data_class": "own"}, "Upper": {}},
        "members": {"m": {"team": "Lower", "roles": ["r"]}},
        "roles": {"r": {"permissions": ["route:read"]}},
        "data_classes": {"own": {"rank": 7}},
        "credentials": {"c": {"provider": "openai", "terms": {"no_training": True}}},
    }
    assert calls({}, wanted) == [
        "/roles r",
        "/data-classes own",
        "/teams Upper",
        "/teams Lower",
        "key",
        "/credentials/{credential}/terms c",
        "/members m",
        "/grants",
    ]
    less: dict[str, Any] = {name: {} for name in ("roles", "data_classes", "members", "grants")}
    assert calls(wanted, less, prune=True) == [
        "/grants/{grant}/revoke grt_1",
        "/members/{member}/disable m",
        "/data-classes/{data_class}/remove own",
        "/roles/{role}/delete r",
    ]


def test_a_grant_that_changes_is_revoked_and_given_anew_under_its_name() -> None:
    before, after = ({"grants": {"g": {"everyone": True, "note": note}}} for note in ("", "why"))
    assert calls(before, after) == ["/grants/{grant}/revoke grt_1", "/grants"]


def test_only_new_credentials_and_those_that_move_need_their_keys() -> None:
    origin = {"provider": "openai", "origin": "https://api.openai.com"}
    there = document_of({"credentials": {"a": origin, "b": origin}})
    wanted = document_of(
        {
            "credentials": {
                "a": origin | {"models": ["o3"]},
                "b": origin | {"origin": "https://eu.api.openai.com"},
                "c": origin,
            }
        }
    )
    steps = steps_of(differences(there, wanted, gone=(), prune=False), there, wanted, {})
    assert keys_needed(steps) == ("b", "c")


def test_a_name_is_read_from_the_note_and_kept_there() -> None:
    rules = [
        Rule(id="grt_3", note="research: again"),
        Rule(id="grt_1", note="research: everyday work: all of it"),
        Rule(id="grt_2", note="Made with the organization: everybody may"),
        Rule(id="grt_4", note=""),
        Rule(id="grt_5", note="alone"),
    ]
    found = {name: (rule.id, rest) for name, (rule, rest) in named(rules).items()}
    assert found == {
        "research": ("grt_1", "everyday work: all of it"),
        "grt_2": ("grt_2", "Made with the organization: everybody may"),
        "grt_3": ("grt_3", "research: again"),
        "grt_4": ("grt_4", ""),
        "alone": ("grt_5", ""),
    }


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", fullmatch=True), st.text("ab: .", max_size=20))
def test_a_name_and_a_note_come_back_as_they_were(name: str, note: str) -> None:
    [(found, (_, rest))] = named([Rule(id="grt_1", note=noted(name, note))]).items()
    assert (found, rest) == (name, note)


def test_rules_that_have_ended_are_taken_out_of_what_is_wanted() -> None:
    at = "2026-06-01T00:00:00Z"
    document = document_of(
        {
            "grants": {"g": {"everyone": True, "expires_at": at}, "h": {"everyone": True}},
            "budgets": {"b": {"period": "day", "limit": "1", "ends_at": at}},
        }
    )
    now = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 1_000_000
    assert without_ended(document, now - 1) == (document, ())
    left, ended = without_ended(document, now)
    assert ended == (("grants", "g"), ("budgets", "b"))
    assert (set(left.grants or ()), left.budgets) == ({"h"}, {})


def test_a_credentials_variable_is_named_after_it() -> None:
    assert key_reference("my-openai EU") == "${MY_OPENAI_EU_KEY}"
    assert key_reference("2nd ü") == "${_2ND___KEY}"
    for name in ("my-openai EU", "2nd ü", "é", "_"):
        document_of({"credentials": {"c": {"provider": "openai", "key": key_reference(name)}}})


def test_a_deep_tree_is_made_from_the_top() -> None:
    teams = {f"t{n}": Team(parent=f"t{n - 1}" if n else None) for n in range(20)}
    wanted = Document(teams=dict(reversed(teams.items())))
    steps = steps_of(differences(Document(), wanted, gone=(), prune=False), Document(), wanted, {})
    assert [step.place[1] for step in steps] == list(teams)
