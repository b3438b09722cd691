"""The life of versions: the table by example, then any sequence of moves against a small model."""

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keystead.domain.credential import VersionState
from keystead.domain.errors import ConflictError
from keystead.vault import lifecycle
from keystead.vault.lifecycle import NEXT, Changes
from keystead.vault.view import VersionView

STAGED, ACTIVE, DRAINING, RETIRED, REVOKED = VersionState


def version(number: int, state: VersionState, draining_at: int | None = None) -> VersionView:
    return VersionView(version=number, state=state, mask="…", created_at=0, created_by="mem_1", draining_at=draining_at)


def test_nothing_leads_out_of_revoked_and_every_state_leads_there() -> None:
    assert NEXT[REVOKED] == frozenset()
    assert all(REVOKED in NEXT[state] for state in VersionState if state is not REVOKED)


def test_no_state_leads_back_to_staged() -> None:
    assert all(STAGED not in following for following in NEXT.values())


def test_activating_a_staged_version_drains_the_active_one() -> None:
    versions = [version(1, ACTIVE), version(2, STAGED)]

    assert lifecycle.activate(versions, versions[1]) == {1: DRAINING, 2: ACTIVE}


def test_the_first_activation_displaces_nothing() -> None:
    versions = [version(1, STAGED)]

    assert lifecycle.activate(versions, versions[0]) == {1: ACTIVE}


@pytest.mark.parametrize("state", [DRAINING, RETIRED])
def test_a_version_that_served_before_can_be_activated_again(state: VersionState) -> None:
    versions = [version(1, state, 5), version(2, ACTIVE)]

    assert lifecycle.activate(versions, versions[0]) == {1: ACTIVE, 2: DRAINING}


@pytest.mark.parametrize("state", [ACTIVE, REVOKED])
def test_an_active_or_revoked_version_cannot_be_activated(state: VersionState) -> None:
    with pytest.raises(ConflictError, match=f"Version 1 is {state.value} and cannot become active"):
        lifecycle.activate([version(1, state)], version(1, state))


@pytest.mark.parametrize("state", [STAGED, ACTIVE, RETIRED, REVOKED])
def test_only_a_draining_version_retires(state: VersionState) -> None:
    with pytest.raises(ConflictError, match="cannot become retired"):
        lifecycle.retire(version(1, state))

    assert lifecycle.retire(version(1, DRAINING, 5)) == {1: RETIRED}


def test_revoking_names_only_what_is_not_revoked_yet() -> None:
    versions = [version(1, REVOKED), version(2, RETIRED, 4), version(3, ACTIVE), version(4, STAGED)]

    assert lifecycle.revoke(versions) == {2: REVOKED, 3: REVOKED, 4: REVOKED}
    assert lifecycle.revoke(versions[:1]) == {}


def test_rollback_goes_to_the_version_before() -> None:
    versions = [version(1, RETIRED, 10), version(2, DRAINING, 20), version(3, ACTIVE)]

    assert lifecycle.previous(versions).version == 2


def test_rolling_back_twice_goes_back_twice_and_not_forth() -> None:
    versions = [version(1, RETIRED, 10), version(2, ACTIVE, 20), version(3, DRAINING, 30)]

    assert lifecycle.previous(versions).version == 1


def test_rollback_passes_over_a_version_that_was_rolled_back_before() -> None:
    versions = [version(1, DRAINING, 30), version(2, RETIRED, 20), version(3, ACTIVE)]

    assert lifecycle.previous(versions).version == 1


def test_with_none_active_rollback_brings_back_the_last_that_served() -> None:
    versions = [version(1, RETIRED, 10), version(2, DRAINING, 20), version(3, REVOKED, 30)]

    assert lifecycle.previous(versions).version == 2


@pytest.mark.parametrize(
    "versions",
    [
        [],
        [version(1, ACTIVE)],
        [version(1, STAGED)],
        [version(1, REVOKED, 10), version(2, ACTIVE)],
        [version(1, ACTIVE), version(2, DRAINING, 10)],
        [version(1, STAGED), version(2, ACTIVE)],
    ],
)
def test_without_an_earlier_version_whose_key_is_kept_there_is_no_rollback(versions: list[VersionView]) -> None:
    with pytest.raises(ConflictError, match="no earlier version"):
        lifecycle.previous(versions)


class Rotation(RuleBasedStateMachine):
    """Any moves in any order. The model: who serves, who served before (oldest first), and which are gone."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.versions: list[VersionView] = []
        self.serving: int | None = None
        self.served: list[int] = []
        self.retired: set[int] = set()
        self.gone: set[int] = set()

    def apply(self, changes: Changes) -> None:
        self.now += 1
        for number, state in changes.items():
            before = self.versions[number - 1]
            assert state in NEXT[before.state]
            draining_at = self.now if state is DRAINING else before.draining_at
            self.versions[number - 1] = msgspec.structs.replace(before, state=state, draining_at=draining_at)

    def model_activate(self, number: int) -> None:
        if number in self.served:
            self.served.remove(number)
        self.retired.discard(number)
        if self.serving is not None:
            self.served.append(self.serving)
        self.serving = number

    @rule()
    def stage(self) -> None:
        self.versions.append(version(len(self.versions) + 1, STAGED))

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def activate(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self.versions))
        if chosen.version == self.serving or chosen.version in self.gone:
            with pytest.raises(ConflictError):
                lifecycle.activate(self.versions, chosen)
        else:
            self.apply(lifecycle.activate(self.versions, chosen))
            self.model_activate(chosen.version)

    @rule()
    def roll_back(self) -> None:
        earlier = [number for number in self.served if self.serving is None or number < self.serving]
        if not earlier:
            with pytest.raises(ConflictError):
                lifecycle.previous(self.versions)
        else:
            chosen = lifecycle.previous(self.versions)
            assert chosen.version == earlier[-1]
            self.apply(lifecycle.activate(self.versions, chosen))
            self.model_activate(chosen.version)

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def retire(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self.versions))
        if chosen.version in self.served and chosen.version not in self.retired:
            self.apply(lifecycle.retire(chosen))
            self.retired.add(chosen.version)
        else:
            with pytest.raises(ConflictError):
                lifecycle.retire(chosen)

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(self.versions), unique_by=lambda v: v.version))
        self.apply(lifecycle.revoke(chosen))
        numbers = {version.version for version in chosen}
        self.gone |= numbers
        self.served = [number for number in self.served if number not in numbers]
        self.retired -= numbers
        if self.serving in numbers:
            self.serving = None

    @invariant()
    def the_states_are_those_of_the_model(self) -> None:
        for each in self.versions:
            number = each.version
            if number in self.gone:
                expected = REVOKED
            elif number == self.serving:
                expected = ACTIVE
            elif number in self.retired:
                expected = RETIRED
            elif number in self.served:
                expected = DRAINING
            else:
                expected = STAGED
            assert each.state is expected

    @invariant()
    def at_most_one_is_active(self) -> None:
        assert [each.version for each in self.versions if each.state is ACTIVE] == [self.serving][
            : self.serving is not None
        ]


TestRotation = Rotation.TestCase
TestRotation.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
