"""What is told by id: read whole, or named where it can't be."""

from contextlib import suppress

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.records.errors import LabelsError
from app.records.told import Label, read_json, read_lines
from app.serving.answer_ids import new_answer_id
from tests.app.records.conftest import NOON

ID = "0" * 28


def test_an_object_an_array_and_lines_are_the_same_labels() -> None:
    told = {"id": ID, "label": "Bag", "source": "ann", "time": "2027-01-01T00:00:00Z"}

    by_array = read_json(orjson.dumps([told]), NOON)

    assert by_array == [Label(1, ID, "Bag", "ann", 1_798_761_600.0)]
    assert read_json(orjson.dumps(told), NOON) == by_array
    assert read_lines([orjson.dumps(told)], NOON) == by_array


def test_without_a_source_and_a_time_it_is_the_client_and_now() -> None:
    assert read_json(orjson.dumps({"id": ID, "label": "Bag"}), NOON) == [Label(1, ID, "Bag", "client", NOON)]


def test_a_time_without_a_zone_is_in_utc() -> None:
    [told] = read_json(orjson.dumps({"id": ID, "label": "Bag", "time": "2027-01-01T00:00:00"}), NOON)

    assert told.time == 1_798_761_600.0


def test_a_byte_order_mark_at_the_beginning_means_nothing() -> None:
    content = b"\xef\xbb\xbf" + orjson.dumps({"id": ID, "label": "Bag"})

    assert [label.id for label in read_json(content, NOON)] == [ID]
    assert [label.id for label in read_lines([content], NOON)] == [ID]


def test_empty_lines_mean_nothing_but_count() -> None:
    lines = [b"\n", orjson.dumps({"id": ID, "label": "Bag"}), b"  \r\n"]

    assert [label.line for label in read_lines(lines, NOON)] == [2]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b'{"id": "', "Line 2 is not JSON"),
        (b"[]", "Line 2: the line"),
        (orjson.dumps({f"a{number}": 0 for number in range(50_000)}), "Line 2 has 50,000 members"),
        (b'{"label": "Bag"}', "Line 2: id: Field required"),
        (b'{"id": "%s"}' % ID.encode(), "Line 2: label: Field required"),
        (b'{"id": "none", "label": "Bag"}', "Line 2: id: String should match"),
        (b'{"id": "%s\\n", "label": "Bag"}' % ID.encode(), "Line 2: id: String should match"),
        (b'{"id": "%s", "label": 7}' % ID.encode(), "Line 2: label: Input should be a valid string"),
        (b'{"id": "%s", "label": ""}' % ID.encode(), "Line 2: label: String should have at least 1"),
        (b'{"id": "%s", "label": "a\\u0000"}' % ID.encode(), "Line 2: label: Value error, it has characters"),
        (b'{"id": "%s", "label": "Bag", "lable": 1}' % ID.encode(), "Line 2: lable: Extra inputs"),
        (b'{"id": "%s", "label": "Bag", "time": "soon"}' % ID.encode(), "Line 2: time: Input should be a valid date"),
        (b'{"id": "%s", "label": "Bag", "time": "2099-01-01T00:00:00Z"}' % ID.encode(), "lies in the future"),
        (b'{"id": "%s", "label": "Bag", "time": "0001-01-01T00:00:00+23:59"}' % ID.encode(), "lies before 1970"),
        (b'\xef\xbb\xbf{"id": "%s", "label": "Bag"}' % ID.encode(), "Line 2 is not JSON"),
    ],
)
def test_the_line_that_cant_be_taken_is_named(line: bytes, complaint: str) -> None:
    good = orjson.dumps({"id": ID, "label": "Bag"})

    with pytest.raises(LabelsError, match=complaint):
        read_lines([good, line], NOON)


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_whatever_the_lines_are_they_are_read_or_refused(lines: list[bytes]) -> None:
    with suppress(LabelsError):
        read_lines(lines, NOON)
    with suppress(LabelsError):
        read_json(b"\n".join(lines), NOON)


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "label", "time", "source"]), inner),
    )
)
def test_whatever_the_json_is_it_is_read_or_refused(told: object) -> None:
    try:
        content = orjson.dumps(told)
    except TypeError:  # an integer that is too long
        return
    with suppress(LabelsError):
        read_json(content, NOON)


def test_ids_are_never_the_same_and_of_one_form() -> None:
    ids = [new_answer_id() for _ in range(10_000)]

    assert len(set(ids)) == 10_000
    assert read_lines([orjson.dumps({"id": its_id, "label": "Bag"}) for its_id in ids], NOON)
