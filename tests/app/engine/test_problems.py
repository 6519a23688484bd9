"""The problem document of any exception."""

import logging

import orjson
import pytest
from starlette.exceptions import HTTPException

from app.engine.problems import BadRequestError, Kind, OverCapacityError, Problems, RequestError, UnauthorizedError


class LostError(Exception):
    pass


PROBLEMS = Problems("shop", {LostError: Kind(404, "Lost", "Look again.")}, detail_members={"/old/": "error"})


def answer(error: Exception, path: str = "/") -> tuple[int, dict[str, object]]:
    response = PROBLEMS.response(error, path, b"id-1")
    return response.status_code, orjson.loads(response.body)


def test_a_refusal_of_the_engine_says_its_own_status_and_title() -> None:
    assert answer(BadRequestError("It has no end.")) == (
        400,
        {
            "type": "urn:shop:unreadable-request",
            "title": "Unreadable request",
            "status": 400,
            "detail": "It has no end.",
            "request_id": "id-1",
        },
    )


def test_an_exception_of_another_package_is_looked_up_and_gets_its_hint() -> None:
    status, document = answer(LostError("It is not here."))

    assert (status, document["title"], document["detail"]) == (404, "Lost", "It is not here. Look again.")


def test_a_path_may_want_the_detail_under_another_name_too() -> None:
    assert answer(LostError("x"), "/old/things")[1]["error"] == "x Look again."
    assert "error" not in answer(LostError("x"), "/olden")[1]


def test_an_unexpected_exception_is_logged_and_tells_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        status, document = answer(RuntimeError("a secret"))

    assert status == 500
    assert "secret" not in str(document)
    assert "id-1" in caplog.text
    assert "a secret" in caplog.text


def test_a_key_is_asked_for_in_both_ways() -> None:
    response = PROBLEMS.response(UnauthorizedError("A key."), "/", b"id-1")

    assert response.headers.getlist("www-authenticate") == [
        'Bearer realm="shop"',
        'Basic realm="shop", charset="UTF-8"',
    ]


def test_what_is_over_capacity_says_when_to_try_again() -> None:
    assert PROBLEMS.response(OverCapacityError("Later."), "/", b"id-1").headers["retry-after"] == "1"


@pytest.mark.parametrize(("status", "detail"), [(404, "nothing at this path"), (405, "takes GET"), (400, "as it says")])
def test_what_fastapi_refuses_is_a_problem_document_too(status: int, detail: str) -> None:
    code, document = answer(HTTPException(status, "as it says", {"Allow": "GET"}))

    assert code == document["status"] == status
    assert detail in str(document["detail"])


def every_refusal(kind: type[RequestError] = RequestError) -> list[type[RequestError]]:
    return [each for child in kind.__subclasses__() for each in (child, *every_refusal(child))]


@pytest.mark.parametrize("kind", every_refusal())
def test_every_refusal_has_a_status_of_its_own_kind(kind: type[RequestError]) -> None:
    assert 400 <= kind.status < 600
    assert kind.title
