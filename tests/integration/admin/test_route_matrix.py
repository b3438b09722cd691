"""The committed authorisation matrix is what is observed, and what the table of routes says (T10, T13, T14)."""

import msgspec
import pytest

from keystead.domain.access import PERMISSIONS, PLATFORM, Permission, Role
from keystead.web.admin.route import Route
from keystead.web.admin.routes import ROUTES
from tests.attacks.regenerate_matrix import MATRIX_FILE
from tests.integration.admin.matrix import (
    FORMS,
    OPERATOR,
    OTHER_TEAM_ADMINISTRATOR,
    OUTSIDERS,
    STRANGER,
    TEAM_ADMINISTRATOR,
    Matrix,
    name_of,
    observed,
)
from tests.integration.admin.world import World

COMMITTED = msgspec.json.decode(MATRIX_FILE.read_bytes(), type=Matrix)


async def test_what_is_observed_is_what_is_committed(light_world: World) -> None:
    assert await observed(light_world) == COMMITTED, (
        "review the change, then: python -m tests.attacks.regenerate_matrix"
    )


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert list(COMMITTED) == [name_of(route) for route in ROUTES]
    assert all(tuple(row) == FORMS for row in COMMITTED.values())


@pytest.mark.parametrize("route", [pytest.param(route, id=name_of(route)) for route in ROUTES])
def test_a_row_says_what_the_routes_permission_says(route: Route) -> None:
    row = COMMITTED[name_of(route)]
    assert {row[form] for form in OUTSIDERS} == {"401"}
    for role in Role:
        assert row[role.value] == expected(route, PERMISSIONS[role]), role
    assert row[OPERATOR] == ("allowed" if route.permission in {None, *PLATFORM} else "403")
    named = "{" in route.path
    assert row[STRANGER] in ({"404", "403"} if named else {"own", "404", "403"})
    assert (row[STRANGER] == "403") is (route.permission in PLATFORM)


@pytest.mark.parametrize("route", [pytest.param(route, id=name_of(route)) for route in ROUTES])
def test_a_team_administrator_acts_in_their_team_alone(route: Route) -> None:
    row = COMMITTED[name_of(route)]
    inside = route.permission is None or (route.scope == "team" and route.permission in PERMISSIONS[Role.ADMINISTRATOR])
    assert row[TEAM_ADMINISTRATOR] == ("allowed" if inside else "403")
    if not inside:
        assert row[OTHER_TEAM_ADMINISTRATOR] == "403"
    elif route.permission is not None and not _of_nobody_else(route) and (route.method == "POST" or "{" in route.path):
        assert row[OTHER_TEAM_ADMINISTRATOR] in {"403", "404"}
    else:
        assert row[OTHER_TEAM_ADMINISTRATOR] == "allowed"


def _of_nobody_else(route: Route) -> bool:
    """Say whether the route is about what is the caller's own, whatever their team."""
    return route.path.startswith("/playground/prompts")


def expected(route: Route, held: frozenset[Permission]) -> str:
    """Return what a role that holds `held` in the whole organization should meet."""
    if route.permission is None or route.permission in held:
        return "allowed"
    if route.own not in held:
        return "403"
    return "404" if "{" in route.path else "allowed"  # the object is not theirs; what they make is
