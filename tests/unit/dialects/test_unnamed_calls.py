from keystead.dialects.unnamed_calls import UnnamedCalls


def test_results_answer_the_calls_of_their_tool_in_order() -> None:
    calls = UnnamedCalls("call_")
    assert [calls.called(name) for name in ("a", "b", "a")] == ["call_1", "call_2", "call_3"]
    assert [calls.answered(name) for name in ("a", "a", "b")] == ["call_1", "call_3", "call_2"]


def test_a_result_without_a_call_has_an_id_that_says_so() -> None:
    calls = UnnamedCalls("call_")
    calls.called("a")
    assert (calls.answered("b"), calls.answered("a"), calls.answered("a")) == ("call_unknown", "call_1", "call_unknown")
