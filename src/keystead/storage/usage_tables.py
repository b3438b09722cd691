"""The tables of usage added up: by the hour, and by the day with one dimension. For both engines (see `schema`)."""

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from keystead.domain.durations import BOUNDS_US
from keystead.domain.usage import COUNTS
from keystead.storage.columns import metadata

ROLLUP_DIMENSIONS = (
    "hour_at",
    "organization_id",
    "team_id",
    "principal_id",
    "virtual_key_id",
    "credential_id",
    "provider",
    "model",
    "owner",
    "outcome",
    "currency",
)
"""What a roll-up row is keyed by. `hour_at` is the hour in which the request began. `model` is the model served, else
the one sent, else the one asked. `credential_id`, `provider` and `owner` are empty for a request that ended without an
attempt of its own."""

ROLLUP_SUMS = (
    "requests",
    "attempts",
    *COUNTS,
    "cost_pico",
    "charge_pico",
    "priced",
    "estimated",
    "unpriced",
    "unknown",
    "duration_us",
)
"""What is added up. `requests` counts ended requests, in the row of the attempt that ended them; `duration_us` is the
attempts' own. `cost_pico` is in the row's currency, `charge_pico` in credits. `priced` … `unknown` count attempts by
cost state (`priced` includes reported and free)."""

_TO = tuple([f"to_{bound // 1000}ms" for bound in BOUNDS_US])
DURATIONS = tuple([f"took_{name}" for name in (*_TO, "beyond")])
"""Attempts that succeeded, by how long they took, in buckets that do not overlap (`domain.durations`)."""
FIRST_TOKENS = tuple([f"first_{name}" for name in (*_TO, "beyond")])
"""Of these the streams, by how long their first content took."""
ROLLUP_TIMES = DURATIONS + FIRST_TOKENS
"""How long things took; counts as well, and apart because reports of money do not read them. Each settlement adds at
most one to each, so that they and their sums fit. What was recorded before they were has none."""

rollups = Table(
    "rollups",
    metadata,
    Column("hour_at", BigInteger, primary_key=True, autoincrement=False),
    *[Column(name, Text, primary_key=True) for name in ROLLUP_DIMENSIONS[1:]],
    *[Column(name, BigInteger, nullable=False) for name in ROLLUP_SUMS],
    *[Column(name, BigInteger, nullable=False, server_default="0") for name in ROLLUP_TIMES],
    Index("ix_rollups_organization_id_hour_at", "organization_id", "hour_at"),
    sqlite_with_rowid=False,
)

usage_days = Table(
    "usage_days",
    metadata,
    Column("organization_id", String(64), primary_key=True),
    Column("day_at", BigInteger, primary_key=True, autoincrement=False),
    Column("next_at", BigInteger, nullable=False),
    Column("until_at", BigInteger, nullable=False),
    Column("time_zone", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Up to which hour (`until_at`, excluded) a day's roll-ups are gathered in `daily_usage`. The day is a local one of the
organization's time zone: it has the hours from `day_at` until `next_at`, and no two days have the same hour. Whatever is added to them later takes
its row away, and the day's rows there count for nothing until they are gathered anew."""

daily_usage = Table(
    "daily_usage",
    metadata,
    Column("organization_id", String(64), primary_key=True),
    Column("dimension", String(32), primary_key=True),
    Column("day_at", BigInteger, primary_key=True, autoincrement=False),
    Column("team_id", String(64), primary_key=True),
    Column("value", Text, primary_key=True),
    Column("owner", String(16), primary_key=True),
    Column("currency", String(3), primary_key=True),
    *[Column(name, BigInteger, nullable=False) for name in ROLLUP_SUMS],
    *[Column(name, BigInteger, nullable=False, server_default="0") for name in ROLLUP_TIMES],
    sqlite_with_rowid=False,
)
"""The roll-ups of a day by one dimension and whose the key was: of the whole organization (`model`, `team_id` empty), and by team as well
(`model@team`), for those who see some teams only. A sum is the exact one, or the largest number if it does not fit."""
