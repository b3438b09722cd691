"""The reference of errors finds every code, however the error is made."""

from tools.error_codes import error_codes


def test_codes_of_errors_that_a_function_makes_are_found_with_what_they_say() -> None:
    found = {each.code: each for each in error_codes()}
    for code in ("unreadable_answer", "truncated_answer", "unexpected_answer", "answer_too_large"):
        assert (found[code].status, found[code].fault) == ("502", "provider")
        assert all(message.startswith("The provider's") for message in found[code].messages), found[code]
    assert not any(each.code in each.messages for each in found.values())
