"""A gateway that is killed at named points, again and again, and found whole each time."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from tests.acceptance.hybrid import DOWN
from tests.chaos.aftermath import Found, Seen, check_aftermath
from tests.chaos.doom import LONG_DEAD_US, Doom
from tests.chaos.doomed import DoomedGateway
from tests.chaos.points import POINTS
from tests.chaos.users import KEY, WEBHOOK_SECRET, Users, give_means
from tests.fakes import answers
from tests.fakes.gateway import DidNotStartError
from tests.fakes.provider import FakeProvider
from tests.fakes.wire import Answer, Call

CALLERS: Final = 16
REACHED_WITHIN_S: Final = 30.0
_BROKEN_KEY: Final = KEY.format(9998)
_POOL_KEY: Final = KEY.format(9999)


def _answer(call: Call) -> Answer:
    return DOWN if call.auth.endswith(_BROKEN_KEY) else answers.answer_for(call)


class World:
    """The gateway, its provider and its users."""

    def __init__(self, folder: Path, settings: dict[str, str], fake: FakeProvider, dice: random.Random) -> None:
        secret = folder / "webhook.secret"
        secret.touch(mode=0o600)
        secret.write_text(WEBHOOK_SECRET)
        self._engine = "postgresql" if "KEYSTEAD_DATABASE_URL" in settings else "sqlite"
        self._mark = folder / "mark"
        self._gateway = DoomedGateway(folder / "home", {**settings, "KEYSTEAD_TOPUP_WEBHOOK_SECRET_FILE": str(secret)})
        self._users = Users(self._gateway)
        self._fake = fake
        self._dice = dice

    @classmethod
    @asynccontextmanager
    async def begun(
        cls, folder: Path, settings: dict[str, str], fake: FakeProvider, dice: random.Random
    ) -> AsyncIterator[Self]:
        """Lend one that is ready to die."""
        world = cls(folder, settings, fake, dice)
        async with world._gateway:
            await world._begin()
            yield world

    async def _begin(self) -> None:
        self._fake.always(_answer)
        gateway, origin = self._gateway, self._fake.origin
        await gateway.start()
        self._users.organization = (await gateway.admin("GET", "/organization"))["id"]
        await gateway.add_credential("own", "openai", KEY.format(1), origin=origin)
        await gateway.add_credential("broken", "openai", _BROKEN_KEY, origin=origin)
        await give_means(gateway, origin, pool_key=_POOL_KEY)
        consent = {
            "data_classes": ["public", "internal"],
            "reasons": ["down"],
            "daily_cap": "1000000",
            "monthly_cap": "1000000",
            "expires_at": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
        }
        await gateway.admin("POST", "/consents", consent)
        await gateway.kill()

    async def die_at(self, name: str) -> None:
        """Live until the point is reached; whoever starts next ends what this one leaves open."""
        during = POINTS[name].during
        if during == "recovery":
            await self.die_at("answer_not_read")
        self._begin_life(at=name, nth=self._dice.randint(1, POINTS[name].latest))
        self._mark.unlink(missing_ok=True)
        try:
            await self._gateway.start()
        except DidNotStartError:
            assert during == "recovery", self._last_words()
        else:
            await self.check()
            await self._use(during)
        code = await self._gateway.died()
        await self._gateway.close()
        assert code == -signal.SIGKILL, f"{name} was not reached: {self._last_words()}"
        assert self._mark.read_text() == name

    async def end(self) -> Found:
        """Let the last one recover what is left, stop it in peace, and return what is found then."""
        self._begin_life()
        await self._gateway.start()
        await self.check()
        await self._users.pay_again()
        assert await self._gateway.stop() == -signal.SIGTERM
        await self._gateway.close()
        return await self.check()

    async def check(self) -> Found:
        """Check what must hold while nobody uses the gateway, and all that the users were told."""
        calls = (Seen(call.model, call.auth) for call in self._fake.calls if call.method == "POST")
        found = await check_aftermath(self._gateway, calls)
        self._users.check(found)
        return found

    def _begin_life(self, **how: Any) -> None:
        self._users.ahead_us += LONG_DEAD_US
        self._gateway.doom = Doom(ahead_us=self._users.ahead_us, engine=self._engine, mark=str(self._mark), **how)

    async def _use(self, during: str) -> None:
        """Use the gateway from many sides until it is dead."""
        users: list[Coroutine[Any, Any, None]] = [self._users.call(number) for number in range(CALLERS)]
        if during == "rotation":
            users.append(self._users.rotate())
        if during == "payments":
            users.append(self._users.pay())
        before = len(self._fake.calls)
        async with asyncio.TaskGroup() as group:
            for user in users:
                group.create_task(user)
            if during == "drain":
                await self._fake.arrived(before + CALLERS)
                os.kill(self._gateway.pid, signal.SIGTERM)
            await self._gateway.died(within_s=REACHED_WITHIN_S)

    def _last_words(self) -> str:
        return self._gateway.log.read_text()[-4000:]
