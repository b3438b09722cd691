"""A route's diagram: what leads where for each strategy, and the same in words."""

import pytest

from keystead.web.console.diagrams import Target, diagram

TWO = (Target(model="gpt-5", on="openai-eu", weight=3), Target(model="claude-sonnet-5", on="any key of Anthropic"))


def test_of_an_ordered_route_the_name_leads_to_the_first_and_each_falls_to_the_next() -> None:
    drawn = diagram("coding", "ordered", (*TWO, Target(model="gpt-4", on="old")))
    assert len(drawn.edges) == 1
    assert len(drawn.falls) == 2
    assert [box.number for box in drawn.boxes] == [1, 2, 3]
    for fall, (above, below) in zip(drawn.falls, zip(drawn.boxes, drawn.boxes[1:], strict=False), strict=True):
        assert (fall.y, fall.end) == (above.y + 50, below.y)


@pytest.mark.parametrize("strategy", ["weighted", "cheapest", "fastest"])
def test_of_the_others_the_name_leads_to_each(strategy: str) -> None:
    drawn = diagram("coding", strategy, TWO)
    assert len(drawn.edges) == 2
    assert drawn.falls == ()


def test_weights_are_shown_as_shares_in_words_and_in_thickness() -> None:
    drawn = diagram("coding", "weighted", TWO)
    assert [edge.label for edge in drawn.edges] == ["75 %", "25 %"]
    assert drawn.edges[0].width > drawn.edges[1].width
    assert drawn.words[0] == "gpt-5 on openai-eu, 75 % of the requests"


def test_all_boxes_are_within_the_picture() -> None:
    for count in range(17):
        for strategy in ("ordered", "weighted"):
            drawn = diagram("x", strategy, [TWO[0]] * count)
            assert all(box.y >= 0 and box.y + 50 <= drawn.height for box in drawn.boxes)
            assert 0 <= drawn.name_y <= drawn.height


def test_long_names_are_cut_in_the_picture_and_whole_in_its_words() -> None:
    long = "m" * 300
    drawn = diagram(long, "ordered", [Target(model=long, on="x", broken="its key is revoked", patience="5 s")])
    assert len(drawn.name) < 30
    assert len(drawn.boxes[0].model) < 60
    assert drawn.boxes[0].broken
    assert drawn.words == (f"{long} on x · first byte within 5 s · its key is revoked",)
    assert drawn.then == "There is nothing to fall back on."
