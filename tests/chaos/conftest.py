"""An empty place for a gateway's data, on each engine."""

import secrets

import pytest

from tests.conftest import ENGINES, PostgresServer, run_apart


@pytest.fixture(params=ENGINES)
def settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of a gateway that may call providers on this machine and has a database of its own."""
    chosen = {"KEYSTEAD_EGRESS_ALLOW": "127.0.0.1", "KEYSTEAD_LOG_LEVEL": "info"}
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        chosen["KEYSTEAD_DATABASE_URL"] = run_apart(server.create_database(f"chaos_{secrets.token_hex(6)}"))
    return chosen
