"""The committed authorisation matrix is what is observed, and what the table of routes says (T10, T13, T14)."""

import msgspec
import pytest

from keystead.domain.access import PERMISSIONS, Role
from keystead.web.admin.route import Route
from keystead.web.admin.routes import ROUTES
from tests.attacks.regenerate_matrix import MATRIX_FILE
from tests.integration.admin.matrix import FORMS, OUTSIDERS, STRANGER, Matrix, observed
from tests.integration.admin.world import World

COMMITTED = msgspec.json.decode(MATRIX_FILE.read_bytes(), type=Matrix)


async def test_what_is_observed_is_what_is_committed(light_world: World) -> None:
    assert await observed(light_world) == COMMITTED, (
        "review the change, then: python -m tests.attacks.regenerate_matrix"
    )


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert list(COMMITTED) == [f"{route.method} {route.path}" for route in ROUTES]
    assert all(tuple(row) == FORMS for row in COMMITTED.values())


@pytest.mark.parametrize("route", [pytest.param(route, id=f"{route.method} {route.path}") for route in ROUTES])
def test_a_row_says_what_the_routes_permission_says(route: Route) -> None:
    row = COMMITTED[f"{route.method} {route.path}"]
    assert {row[form] for form in OUTSIDERS} == {"401"}
    for role in Role:
        held = route.permission is None or route.permission in PERMISSIONS[role]
        assert row[role.value] == ("allowed" if held else "403")
    named = "{" in route.path
    assert row[STRANGER] == "404" if named else row[STRANGER] in {"own", "404"}
