"""What a condition can look at: the request, who makes it, and when. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Supposition = tuple[str, str, str]
"""A condition, and what it sees beside the tags that differs between sets of rules: the data class and the time zone."""


class Supposed:
    """Stands for tags that nobody recorded: says what conditions that look at tags are supposed to come to."""

    __slots__ = ("open", "truths")

    def __init__(self, truths: Mapping[Supposition, bool | None]) -> None:
        """Suppose `truths`: that a condition holds, does not hold, or (None) cannot be decided."""
        self.truths = truths
        self.open: Supposition | None = None
        """The first condition that was asked for and that nothing is supposed about."""

    def truth(self, condition: str, facts: "Facts") -> bool | None:
        """Return what a condition is supposed to come to."""
        asked = (condition, facts.data_class, facts.time_zone)
        if asked not in self.truths:
            self.open = self.open or asked
            return None
        return self.truths[asked]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about one request. `team` and `principal` are ids: names can change hands."""

    model: str
    endpoint: str
    dialect: str
    stream: bool
    tags: Mapping[str, str] | Supposed
    team: str
    principal: str
    data_class: str
    time_us: int
    """When it came, Unix microseconds."""
    time_zone: str = "UTC"
    """The organization's (IANA name), in which `hour` and `weekday` are told."""

    def variables(self) -> dict[str, object]:
        """Return the facts under the names that conditions use (`conditions.VARIABLES`)."""
        time = _EPOCH + timedelta(microseconds=self.time_us)
        there = time.astimezone(ZoneInfo(self.time_zone))
        return {
            "request.model": self.model,
            "request.endpoint": str(self.endpoint),
            "request.dialect": str(self.dialect),
            "request.stream": self.stream,
            "tags": {} if isinstance(self.tags, Supposed) else self.tags,
            "team": self.team,
            "principal": self.principal,
            "data_class": self.data_class,
            "time": time,
            "hour": there.hour,
            "weekday": there.isoweekday(),
        }
