"""What follows from a virtual key and its place in the tree of teams."""

import msgspec
import pytest

from keystead.domain.ids import TeamId
from keystead.gateway.rules import caller_of
from keystead.gateway.said import about_class
from tests.fakes.traffic import TEAM, credential, rules, virtual_key


@pytest.mark.parametrize(
    ("hospital", "ward", "key", "least"),
    [
        ("restricted", "", "", "restricted"),
        ("restricted", "public", "", "restricted"),
        ("internal", "restricted", "", "restricted"),
        ("internal", "", "confidential", "confidential"),
        ("restricted", "internal", "confidential", "restricted"),
        ("", "", "", "public"),
    ],
)
def test_no_team_lowers_the_class_of_the_team_above_it(hospital: str, ward: str, key: str, least: str) -> None:
    base = rules(credential("own"), team_class=ward)
    above = msgspec.structs.replace(base.teams[TEAM], id=TeamId("team_above"), data_class=hospital)
    below = msgspec.structs.replace(base.teams[TEAM], parent_id=above.id)
    tree = msgspec.structs.replace(base, teams={TEAM: below, above.id: above})
    caller = caller_of(virtual_key(data_class=key), tree)
    found = tree.classes.highest(caller.data_classes)
    assert found.name == least
    said = [each.name for each in about_class(caller, header="", data_class=found) if " says " in each.says]
    assert said == [name for name in (ward, hospital, key) if name]
