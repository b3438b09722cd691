"""Whoever changes what they sign in with proves first that it is theirs: a session may be somebody else's by then."""

from typing import Any

from keystead.domain.errors import AuthenticationError, ConflictError
from keystead.domain.secret import Secret
from keystead.web.admin.route import Call


async def prove_password(call: Call[Any, Any], password: Secret | None) -> str:
    """Let the caller on whose password this is; return the address they sign in with.

    Raises:
        ConflictError: they have none.
        AuthenticationError: it is another, or there were too many of those.
    """
    rooms, member_id = call.rooms, call.who.member_id
    async with rooms.database.read() as conn:
        own = await rooms.sign_in.own(conn, member_id)
        fresh = own is None and await rooms.sessions.is_fresh(conn, call.who.token_id)
        member = await rooms.directory.member(conn, call.who.organization_id, member_id)
    if own is None:
        if fresh:  # at an identity provider, just now: that is as much
            return member.name
        raise ConflictError(
            "You do not sign in with a password.",
            code="no_password",
            next_step="Sign in at your identity provider anew, and come here within ten minutes.",
        )
    email, kept = own
    if rooms.wrong_passwords.count("", member_id):  # before it is looked at, as at the door
        raise too_many()
    if password is None or not await rooms.passwords.verify(kept, password):
        raise AuthenticationError(
            "This is not your password.", code="wrong_password", status=403, next_step="Type it once more."
        )
    rooms.wrong_passwords.forgive("", member_id)
    return email


def too_many() -> AuthenticationError:
    """Return the error of who failed so often that they are to wait."""
    return AuthenticationError(
        "Too many failed attempts.", code="too_many_failures", status=429, next_step="Wait a minute, or longer."
    )
