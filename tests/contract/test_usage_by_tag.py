"""Usage by tags of virtual keys: sums that agree with the total, and changes that count from when they are made."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.clock import HOUR_US, hour_of
from keystead.domain.errors import InvalidRequestError
from keystead.domain.ids import VirtualKeyId, new_id
from keystead.domain.tags import tag_of
from keystead.identity.tags import change_tags, first_tags, tags_in_use, tags_of
from keystead.metering.usage import usage_by
from keystead.metering.usage_views import UsageLine
from keystead.storage.bulk import insert_ended
from keystead.storage.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.records import attempt_intent, request_intent, settlement

ORGANIZATION = "org_1"
FIRST, SECOND, THIRD = (VirtualKeyId(f"vk_{number}") for number in (1, 2, 3))


async def used(database: Database, clock: FakeClock, key: str, at: int) -> None:
    """Write a settled request of a key."""
    request = request_intent(clock, id=new_id("req", at), started_at=at, virtual_key_id=key)
    ended = settlement(clock, request, attempt_intent(clock, started_at=at), finished_at=at + 1)
    async with database.write() as conn:
        await insert_ended(conn, [(ended,)])


async def lines(database: Database, dimensions: list[str], since: int, until: int) -> tuple[UsageLine, ...]:
    async with database.read() as conn:
        found = await usage_by(conn, organization_id=ORGANIZATION, dimensions=dimensions, from_at=since, to_at=until)
    return found.lines


async def requests_by(database: Database, tag: str, since: int, until: int) -> dict[tuple[str, str], int]:
    """Return the requests by (id, name) of a tag's value."""
    return {
        (line.keys[0].id, line.keys[0].name): line.requests
        for line in await lines(database, [f"tag:{tag}"], since, until)
    }


async def test_what_has_no_such_tag_is_a_line_of_its_own_and_the_lines_add_up(
    database: Database, clock: FakeClock
) -> None:
    now = hour_of(clock.now_us())
    async with database.write() as conn:
        await first_tags(conn, ORGANIZATION, FIRST, {"project": "apollo", "stage": "live"})
        await first_tags(conn, ORGANIZATION, SECOND, {"project": "untagged"})
        await first_tags(conn, "org_2", THIRD, {"project": "theirs"})
    for key, times in ((FIRST, 1), (SECOND, 2), (THIRD, 4)):
        for number in range(times):
            await used(database, clock, key, now + number)
    span = now, now + HOUR_US
    assert await requests_by(database, "project", *span) == {
        ("apollo", "apollo"): 1,
        ("untagged", "untagged"): 2,
        ("", "untagged"): 4,
    }
    assert await requests_by(database, "stage", *span) == {("live", "live"): 1, ("", "untagged"): 6}
    assert await requests_by(database, "nobody-has-it", *span) == {("", "untagged"): 7}
    [whole] = await lines(database, ["owner"], *span)
    for asked in (["tag:project"], ["tag:project", "tag:stage"], ["tag:stage", "virtual_key", "model"]):
        found = await lines(database, asked, *span)
        assert sum(line.requests for line in found) == whole.requests == 7
        assert sum(line.output_total for line in found) == whole.output_total


async def test_a_change_counts_from_now_on_and_never_before(database: Database, clock: FakeClock) -> None:
    begin = hour_of(clock.now_us())
    async with database.write() as conn:
        await first_tags(conn, ORGANIZATION, FIRST, {"project": "apollo", "stage": "live"})
    steps = ({"project": "zephyr", "stage": "live"}, {"stage": "live"}, {"project": "apollo"})
    at = [begin + hours * HOUR_US for hours in (0, 2, 4, 6, 8)]
    for number, tags in enumerate(steps, start=1):
        async with database.write() as conn:
            before = await change_tags(conn, ORGANIZATION, FIRST, tags, now=at[number])
            assert (await tags_of(conn, ORGANIZATION, [FIRST])) == {FIRST: tags}
        assert before == ({"project": "apollo", "stage": "live"}, *steps)[number - 1]
    for since in at[:-1]:
        await used(database, clock, FIRST, since + 5)
        await used(database, clock, FIRST, since + HOUR_US)
    by_project = [await requests_by(database, "project", *span) for span in pairwise(at)]
    assert by_project == [
        {("apollo", "apollo"): 2},
        {("zephyr", "zephyr"): 2},
        {("", "untagged"): 2},
        {("apollo", "apollo"): 2},
    ]
    by_stage = [await requests_by(database, "stage", *span) for span in pairwise(at)]
    assert by_stage == [{("live", "live"): 2}] * 3 + [{("", "untagged"): 2}]
    async with database.read() as conn:
        assert await tags_in_use(conn, ORGANIZATION, team_ids=None, most=9) == ["project", "stage"]
        assert await tags_in_use(conn, ORGANIZATION, team_ids=None, most=1) == ["project"]
        assert await tags_in_use(conn, "org_2", team_ids=None, most=9) == []


async def test_the_last_of_two_changes_at_one_instant_stands(database: Database, clock: FakeClock) -> None:
    now = clock.now_us()
    async with database.write() as conn:
        await first_tags(conn, ORGANIZATION, FIRST, {"project": "apollo"})
        await change_tags(conn, ORGANIZATION, FIRST, {"project": "zephyr", "stage": "live"}, now=now)
        await change_tags(conn, ORGANIZATION, FIRST, {"project": "third"}, now=now)
        assert await tags_of(conn, ORGANIZATION, [FIRST]) == {FIRST: {"project": "third"}}
        await change_tags(conn, ORGANIZATION, FIRST, {}, now=now)
        assert await tags_of(conn, ORGANIZATION, [FIRST]) == {}


@pytest.mark.parametrize("dimension", ["tag:", "tag:Project", "tag:1", "tag:a b", "tag:a'--", "tag:" + "a" * 33, "tag"])
async def test_what_cannot_be_a_tag_is_no_dimension(database: Database, dimension: str) -> None:
    with pytest.raises(InvalidRequestError, match="There is no dimension"):
        await lines(database, [dimension], 0, HOUR_US)


@given(st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True))
def test_every_name_of_a_tag_can_be_asked_for(tag: str) -> None:
    assert tag_of(f"tag:{tag}") == tag
