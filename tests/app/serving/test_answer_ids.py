"""Ids of answers: as they are promised, one by one and many at once."""

import re
import time
from itertools import pairwise

import pytest

from app.serving.answer_ids import ANSWER_ID, new_answer_id, new_answer_ids


@pytest.mark.parametrize("count", [1, 2, 128, 1000])
def test_many_ids_are_as_many_unlike_ones_of_this_second(count: int) -> None:
    before = int(time.time())

    ids = new_answer_ids(count).split(",")

    assert len(set(ids)) == count
    assert all(re.fullmatch(ANSWER_ID, one) for one in ids)
    assert {before <= int(one[:8], 16) <= time.time() for one in ids} == {True}


def test_no_byte_of_many_ids_is_another_ones() -> None:
    columns = zip(*(bytes.fromhex(one)[4:] for one in new_answer_ids(1000).split(",")), strict=True)

    drawn = [bytes(column) for column in columns]

    assert [len(set(column)) > 200 for column in drawn] == [True] * 10  # of 256; fewer are as good as impossible
    assert all(one != other for one, other in pairwise(drawn))


def test_one_by_one_none_is_given_twice() -> None:
    ids = [new_answer_id() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert all(re.fullmatch(ANSWER_ID, one) for one in ids)
