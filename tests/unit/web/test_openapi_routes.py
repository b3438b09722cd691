"""The table of the admin API keeps its own rules."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from keystead.domain.access import PLATFORM, Permission
from keystead.domain.secret import Secret
from keystead.web.admin.route import Route
from keystead.web.admin.routes import ROUTES
from keystead.web.admin.values import Nothing

BY_ROUTE = [pytest.param(route, id=f"{route.method} {route.path}") for route in ROUTES]
WRITES = {permission for permission in Permission if permission.value.endswith(":write")} | PLATFORM
OWN = "/playground/prompts"
"""What lies below is the caller's own and nobody else's: `key:own`, to read as to change."""
QUESTIONS = {"/explain", "/simulate", "/config/plan"}
"""They change nothing, and are a POST because a question with so many parts is a body."""
BY_CONTENT = {"/config/apply"}
"""Each change in the document needs the permission that the change by itself needs."""


TO_CHANGE_THEM = {("GET", "/members/{member}/second-factor"), ("GET", "/members/{member}/sessions")}
"""What is shown to who may take it away, and to nobody else."""


def structs_in(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """Every struct that a value of this type can hold."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from structs_in(field.type)
    for part in get_args(kind):
        yield from structs_in(part)


def test_only_what_is_about_oneself_or_the_same_for_everybody_needs_no_permission() -> None:
    free = {route.path for route in ROUTES if route.permission is None}
    assert {path for path in free if path.split("/")[1] != "self"} == {"/connect"}


def test_no_two_routes_share_method_and_path_or_handler() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    assert len({route.handler for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("route", BY_ROUTE)
def test_what_changes_something_is_a_post_with_a_write_permission_and_nothing_else_is(route: Route) -> None:
    if route.path.startswith("/self/"):
        assert route.permission is None
    elif (route.method, route.path) in TO_CHANGE_THEM:
        assert route.permission is Permission.MEMBER_WRITE, "for whoever could reset or end them"
    elif route.path.startswith(OWN):
        assert route.permission is Permission.KEY_OWN
    elif route.path not in QUESTIONS | BY_CONTENT and route.permission not in PLATFORM:
        assert (route.method == "POST") == (route.permission in WRITES)
    elif route.method == "POST":
        assert route.permission in WRITES or route.path in QUESTIONS | BY_CONTENT


@pytest.mark.parametrize("route", BY_ROUTE)
def test_a_get_takes_a_query_and_a_post_takes_a_body(route: Route) -> None:
    assert (route.body if route.method == "GET" else route.query) is Nothing


@pytest.mark.parametrize("route", BY_ROUTE)
def test_unknown_fields_are_refused_at_any_depth(route: Route) -> None:
    taken = [*structs_in(route.query), *structs_in(route.body)]
    assert taken
    assert all(struct.__struct_config__.forbid_unknown_fields for struct in taken)


@pytest.mark.parametrize("route", BY_ROUTE)
def test_an_answer_holds_no_secret(route: Route) -> None:
    for struct in structs_in(route.answer):
        assert not any(field.type is Secret for field in msgspec.structs.fields(struct))


@pytest.mark.parametrize("route", BY_ROUTE)
def test_the_summary_is_one_sentence(route: Route) -> None:
    assert re.fullmatch(r"[A-Z].*\.", route.summary)
    assert "\n" not in route.summary
