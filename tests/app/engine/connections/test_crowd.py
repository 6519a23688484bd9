"""Who goes first where connections are too many."""

import pytest

from app.engine.connections.crowd import Crowd


class Member:
    def __init__(self, idle_since: float | None = None) -> None:
        self.is_aborted = False
        self._idle_since = idle_since

    def abort(self) -> None:
        self.is_aborted = True

    def idle_since(self) -> float | None:
        return self._idle_since


def crowd(max_connections: int = 10) -> Crowd:
    return Crowd(lambda _why, _count: None, max_connections)


def test_where_descriptors_run_out_the_longest_idle_goes() -> None:
    members = [Member(), *(Member(float(since)) for since in (5, 3, 4, 9, 8, 7, 6, 10, 11))]

    crowd().welcome(members)

    assert [member.is_aborted for member in members] == [False, False, True] + [False] * 7


def test_with_descriptors_to_spare_nobody_goes() -> None:
    members = [Member(float(since)) for since in range(9)]

    crowd().welcome(members)

    assert not any(member.is_aborted for member in members)


@pytest.mark.parametrize(("gone", "aborted"), [(0, 1), (1, 0)])
def test_of_too_many_that_are_dropped_from_the_first_is_cut_off(gone: int, aborted: int) -> None:
    members = [Member() for _ in range(257)]
    all_of_them = crowd()

    for member in members[:256]:
        all_of_them.begin_leaving(member)
    for member in members[100 : 100 + gone]:
        all_of_them.forget(member)
    all_of_them.begin_leaving(members[256])

    assert [member.is_aborted for member in members] == [True] * aborted + [False] * (257 - aborted)
