"""A recorded request as a decision about it needs it. Pure."""

from typing import Final

import msgspec

from keystead.dialects.asked import Asked
from keystead.domain.ids import TeamId, VirtualKeyId
from keystead.domain.records import Cost
from keystead.domain.traffic import Dialect, Endpoint, ErrorClass, State
from keystead.domain.usage import Reading
from keystead.metering.outline import Outline

_UNSEEN: Final = Outline(body_bytes=0)


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that was made."""

    credential_id: str
    provider: str
    model: str
    """As it was sent."""
    is_platform: bool
    finished_at: int | None
    reason: str
    """Why it followed another attempt."""
    answered: bool
    """The provider began to answer: nothing can follow it."""
    error_class: ErrorClass | None
    reading: Reading
    cost: Cost
    charge_pico: int | None


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was made."""

    id: str
    started_at: int
    finished_at: int | None
    team_id: TeamId
    virtual_key_id: VirtualKeyId
    dialect: Dialect
    endpoint: Endpoint
    model: str
    """As asked for."""
    stream: bool
    state: State
    error_code: str
    input_tokens: int
    output_tokens: int
    outline: Outline | None
    """None for what was recorded before outlines were."""
    tried: tuple[Tried, ...]

    @property
    def body_bytes(self) -> int:
        """The length of its body."""
        return (self.outline or _UNSEEN).body_bytes

    @property
    def wanted(self) -> Asked:
        """What its body asked for."""
        return (self.outline or _UNSEEN).asked

    @property
    def refused(self) -> bool:
        """It was refused before any attempt."""
        return not self.tried and self.state is State.REJECTED
