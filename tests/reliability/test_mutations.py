"""Damaged images, forms and tensors, as `make fuzz` sends them: each is answered, and none with a 5xx."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reliability.mutations import IMAGES, Request, mutated_bytes, random_request
from tests.reliability.sockets import connect, read_answer

_EXAMPLES = 300


@settings(max_examples=_EXAMPLES, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_damaged_requests_are_answered_or_refused(server: str, seed: int) -> None:
    request = random_request(random.Random(seed))  # noqa: S311 - repeatable, not secret

    assert_answered(server, request)


@settings(max_examples=_EXAMPLES, deadline=None)
@given(image=st.sampled_from(IMAGES), data=st.data())
def test_a_damaged_image_is_classified_or_refused(server: str, image: bytes, data: st.DataObject) -> None:
    damaged = mutated_bytes(data.draw(st.randoms(use_true_random=False)), image)

    assert_answered(server, Request("/predict?resize=true", b"image/png", damaged))


def assert_answered(server: str, request: Request) -> None:
    with connect(server) as client:
        client.sendall(request.wire())
        answer = read_answer(client)

    assert answer.status in {200, 400, 404, 413, 415, 422}, answer
    assert answer.status == 200 or answer.detail
