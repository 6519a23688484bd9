"""Every refusal of serving, records, the rollout and the classifier has its status and title in the one table."""

from collections.abc import Iterator

import orjson
import pytest

from app.classifier.errors import ClassifierError
from app.errors import PROBLEMS
from app.records.errors import RecordsError
from app.rollout.errors import RolloutError
from app.serving.errors import ServingError


def kinds(parent: type[Exception]) -> Iterator[type[Exception]]:
    """Those that are raised: whatever nothing derives from."""
    for kind in parent.__subclasses__():
        if kind.__module__.startswith("app."):
            yield from list(kinds(kind)) or [kind]


@pytest.mark.parametrize(
    "kind",
    [kind for parent in (ClassifierError, RecordsError, RolloutError, ServingError) for kind in kinds(parent)],
)
def test_no_refusal_is_answered_as_a_fault_of_the_service(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    error.args = ("It is odd.",)

    response = PROBLEMS.response(error, "/", b"id-1")

    assert response.status_code in {400, 404, 409, 413, 415, 422, 503}
    assert str(orjson.loads(response.body)["detail"]).startswith("It is odd.")
    assert ("retry-after" in response.headers) is (response.status_code == 503)
