import asyncio

import pytest

from keystead.domain.credential import Credential, SealedVersion, VersionState
from keystead.domain.errors import ProviderError
from keystead.domain.ids import CredentialId, OrganizationId
from keystead.domain.traffic import ErrorClass, OnDisconnect, Owner
from keystead.providers.tokens import Grant, Tokens
from tests.fakes.clock import FakeClock

HOUR_S = 3600


def credential(*, version: int = 1, **settings: str) -> Credential:
    return Credential(
        id=CredentialId("cred_1"),
        organization_id=OrganizationId("org_1"),
        name="mine",
        provider="vertex",
        origin="https://aiplatform.googleapis.com",
        settings=settings,
        owner=Owner.OWN,
        region="",
        models=None,
        on_disconnect=OnDisconnect.DRAIN,
        active=SealedVersion(version=version, state=VersionState.ACTIVE, sealed=b""),
    )


class Endpoint:
    """Gives tokens, when it is let."""

    def __init__(self) -> None:
        self.given = 0
        self.open = asyncio.Event()
        self.open.set()
        self.error: ProviderError | None = None

    async def __call__(self) -> Grant:
        self.given += 1
        token = f"token-{self.given}"
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return Grant(token=token, lifetime_s=HOUR_S)


REFUSED = ProviderError("no", error_class=ErrorClass.AUTH_FAILED, sent=False)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def settled() -> None:
    """Let the background fetch run to its end: it awaits nothing that is not there."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_token_is_fetched_once_and_used_until_shortly_before_its_end(clock: FakeClock) -> None:
    tokens, endpoint = Tokens(clock), Endpoint()
    assert await tokens.token(credential(), endpoint) == "token-1"
    clock.advance(HOUR_S - 400)
    assert await tokens.token(credential(), endpoint) == "token-1"
    assert endpoint.given == 1


async def test_everybody_who_waits_shares_one_fetch(clock: FakeClock) -> None:
    tokens, endpoint = Tokens(clock), Endpoint()
    endpoint.open.clear()
    waiting = [asyncio.get_running_loop().create_task(tokens.token(credential(), endpoint)) for _ in range(20)]
    await settled()
    waiting[0].cancel()  # a caller who leaves does not take it from the others
    endpoint.open.set()
    got = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(got[0], asyncio.CancelledError)
    assert set(got[1:]) == {"token-1"}
    assert endpoint.given == 1


async def test_it_is_renewed_before_its_end_while_the_old_one_goes_on(clock: FakeClock) -> None:
    tokens, endpoint = Tokens(clock), Endpoint()
    await tokens.token(credential(), endpoint)
    clock.advance(HOUR_S - 200)
    endpoint.open.clear()
    assert [await tokens.token(credential(), endpoint) for _ in range(3)] == ["token-1"] * 3
    await settled()
    assert endpoint.given == 2
    endpoint.open.set()
    await settled()
    assert await tokens.token(credential(), endpoint) == "token-2"


async def test_a_renewal_that_fails_is_tried_again_later_and_the_old_token_holds_to_its_end(clock: FakeClock) -> None:
    tokens, endpoint = Tokens(clock), Endpoint()
    await tokens.token(credential(), endpoint)
    endpoint.error = REFUSED
    clock.advance(HOUR_S - 200)
    for _ in range(3):
        assert await tokens.token(credential(), endpoint) == "token-1"
        await settled()
    assert endpoint.given == 2
    clock.advance(31)
    assert await tokens.token(credential(), endpoint) == "token-1"
    await settled()
    assert endpoint.given == 3
    clock.advance(200)
    with pytest.raises(ProviderError):
        await tokens.token(credential(), endpoint)


async def test_a_failure_is_told_to_everybody_who_waits_and_is_not_kept(clock: FakeClock) -> None:
    tokens, endpoint = Tokens(clock), Endpoint()
    endpoint.error = REFUSED
    got = await asyncio.gather(*(tokens.token(credential(), endpoint) for _ in range(3)), return_exceptions=True)
    assert got == [REFUSED] * 3
    endpoint.error = None
    assert await tokens.token(credential(), endpoint) == "token-2"


@pytest.mark.parametrize("after", [credential(version=2), credential(location="europe-west4")])
async def test_another_version_or_other_settings_have_a_token_of_their_own(clock: FakeClock, after: Credential) -> None:
    tokens, endpoint = Tokens(clock), Endpoint()
    await tokens.token(credential(), endpoint)
    assert await tokens.token(after, endpoint) == "token-2"
    assert await tokens.token(credential(), endpoint) == "token-1"


async def test_a_version_that_is_revoked_or_replaced_takes_its_token_along(clock: FakeClock) -> None:
    tokens, endpoint = Tokens(clock), Endpoint()
    await tokens.token(credential(), endpoint)
    tokens.retain([credential()])
    assert await tokens.token(credential(), endpoint) == "token-1"
    tokens.retain([credential(version=2)])
    assert await tokens.token(credential(), endpoint) == "token-2"


async def test_a_token_that_comes_after_its_version_was_revoked_is_not_kept(clock: FakeClock) -> None:
    tokens, endpoint = Tokens(clock), Endpoint()
    endpoint.open.clear()
    waiting = asyncio.get_running_loop().create_task(tokens.token(credential(), endpoint))
    await settled()
    tokens.retain([])
    endpoint.open.set()
    assert await waiting == "token-1"
    assert await tokens.token(credential(), endpoint) == "token-2"


async def test_a_token_that_the_provider_refused_is_not_used_again(clock: FakeClock) -> None:
    tokens, endpoint = Tokens(clock), Endpoint()
    await tokens.token(credential(), endpoint)
    tokens.forget(credential())
    assert await tokens.token(credential(), endpoint) == "token-2"


async def test_a_short_life_is_used_for_three_quarters_before_it_is_renewed(clock: FakeClock) -> None:
    tokens, given = Tokens(clock), 0

    async def endpoint() -> Grant:
        nonlocal given
        given += 1
        return Grant(token=f"token-{given}", lifetime_s=110)

    await tokens.token(credential(), endpoint)
    clock.advance(74)
    await tokens.token(credential(), endpoint)
    await settled()
    assert given == 1
    clock.advance(2)
    await tokens.token(credential(), endpoint)
    await settled()
    assert given == 2
