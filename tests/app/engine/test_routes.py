"""Direct routes: how they are found, held against starlette, and what their endpoints are given."""

from collections.abc import Mapping
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Match as Found
from starlette.routing import Route as StarletteRoute
from starlette.types import Scope

from app.engine.calls import Call, DepCall
from app.engine.limits import Limits
from app.engine.problems import BadRequestError
from app.engine.routes import BodilessRoute, DirectRoute, DirectRoutes, Router, methods_at


class Options(BaseModel):
    size: Annotated[int, Field(ge=1)] = 3
    name: str = "none"


class Upload(DirectRoute):
    @staticmethod
    def max_body_bytes(limits: Limits) -> int:
        return limits.max_file_bytes

    @staticmethod
    def is_light(call: Call, length: int, named: Mapping[str, Any]) -> bool:  # noqa: ARG004 - by its length
        return length < 10


def nothing() -> None: ...


def everything(call: DepCall, options: Options, shop: str, item: str) -> Any:
    return call, options, shop, item


def direct_routes(*routes: object, **given: Any) -> DirectRoutes:
    return DirectRoutes(routes, Limits(max_file_bytes=7), given)


def call_of(query: bytes = b"") -> Call:
    return Call("/", query, {}, b"id")


PATHS = ("/", "/items", "/items/", "/items/all", "/items/{item}", "/items/{item}/parts/{part}", "/files/{path:path}")
METHODS = ("GET", "POST")
PARTS = st.sampled_from(["/", "items", "all", "parts", "files", "x", "é", "%2F", ".", "..", "{item}", " ", "\n", "//"])


def scope_of(method: str, path: str) -> Scope:
    return {"type": "http", "method": method, "path": path, "root_path": ""}


OURS = direct_routes(*[BodilessRoute(path, nothing, methods=[method]) for path in PATHS for method in METHODS])
THEIRS = [StarletteRoute(path, lambda _: None, methods=[method]) for path in PATHS for method in METHODS]


@given(st.lists(PARTS, max_size=7).map(lambda parts: "/" + "".join(parts)), st.sampled_from([*METHODS, "PUT"]))
@example("/items/all", "GET")
@example("/files/a/b", "POST")
def test_a_path_leads_where_starlette_would_lead_it(path: str, method: str) -> None:
    if path.endswith("\n"):
        return  # the next test has these
    matches = [(route, *route.matches(scope_of(method, path))) for route in THEIRS]
    found = [(route.path, child["path_params"]) for route, match, child in matches if match is Found.FULL]

    match = OURS.match(method.encode(), path)

    assert ([] if match is None else [(match.route.path, match.named)]) == found[:1]


@pytest.mark.parametrize("path", ["/items\n", "/items/\n\n/parts/\n", "/files/a\n"])
def test_a_line_feed_ends_no_path(path: str) -> None:
    """For starlette one may: its `$` matches before the last line feed, too."""
    match = OURS.match(b"GET", path)

    assert match is None or "\n" in "".join(match.named.values())


def test_an_endpoint_is_given_what_it_names_of_the_call_the_service_the_path_and_the_query() -> None:
    match = direct_routes(Upload("/items/{item}", everything), shop="s", unwanted=1).match(b"GET", "/items/7")
    assert match is not None
    call = call_of(b"size=5&name=a%20b&name=c")

    assert match.route.run(call, match.named) == (call, Options(size=5, name="c"), "s", "7")
    assert match.route.run(call_of(), match.named)[1] == Options()


def test_an_endpoint_that_names_nothing_is_given_nothing() -> None:
    def alone() -> str:
        return "alone"

    match = direct_routes(BodilessRoute("/", alone), shop="s").match(b"GET", "/")

    assert match is not None
    assert match.route.run(call_of(b"any=thing"), match.named) == "alone"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (b"size=0", "Query parameter 'size': Input should be greater than or equal to 1."),
        (b"size=", "Query parameter 'size': Input should be a valid integer"),
        (b"size=5;name=a", "Query parameter 'size': Input should be a valid integer"),
        (b"sise=5", "There is no query parameter 'sise'. Did you mean 'size'?"),
        (b"sise", "There is no query parameter 'sise'."),
        (b"size=5&\xff=", "There is no query parameter"),
    ],
)
def test_a_query_that_does_not_fit_is_refused_by_name(query: bytes, reason: str) -> None:
    route = Upload("/", everything)

    with pytest.raises(BadRequestError) as refusal:
        route.run(call_of(query), {"shop": "s", "item": "7"})

    assert str(refusal.value).startswith(reason)


@given(st.binary(max_size=60))
def test_whatever_the_query_is_it_is_read_or_refused(query: bytes) -> None:
    try:
        _, options, *_ = Upload("/", everything).run(call_of(query), {"shop": "", "item": "", "options": Options()})
    except BadRequestError:
        return
    assert isinstance(options, Options)


def test_each_kind_of_route_has_its_own_limit_and_weight() -> None:
    ours = direct_routes(Upload("/up", nothing, methods=["POST"]), BodilessRoute("/down", nothing), object())

    up, down = ours.match(b"POST", "/up"), ours.match(b"GET", "/down")

    assert up is not None
    assert down is not None
    assert (up.max_bytes, down.max_bytes) == (7, 1024)
    assert [up.route.is_light(call_of(), length, {}) for length in (9, 10)] == [True, False]
    assert down.route.is_light(call_of(), 1024, {})


async def test_fastapi_describes_a_direct_route_and_never_calls_it() -> None:
    application = FastAPI()
    application.router.routes.append(BodilessRoute("/items", nothing, methods=["GET"]))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://service") as client:
        called, other = await client.get("/items"), await client.post("/items")

    assert called.status_code == 404
    assert other.status_code == 405
    assert "/items" in application.openapi()["paths"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/items", ["GET", "HEAD", "POST"]), ("/items/7", ["DELETE"]), ("/elsewhere", []), ("/mounted", [])],
)
def test_the_methods_of_a_path_are_those_of_all_its_routes(path: str, methods: list[str]) -> None:
    router = APIRouter()
    router.add_api_route("/items", nothing, methods=["GET"])
    router.add_api_route("/items/{item}", nothing, methods=["DELETE"])
    routes = [*router.routes, BodilessRoute("/items", nothing, methods=["POST"])]

    assert methods_at(scope_of("PATCH", path), routes) == methods


@pytest.mark.parametrize(("query", "status"), [("", 200), ("?own=1&shared=2", 200), ("?shred=2", 400), ("?own", 200)])
async def test_a_route_of_fastapis_knows_its_parameters_and_those_that_it_depends_on(query: str, status: int) -> None:
    router = Router()

    def depending(shared: str = "") -> str:
        return shared

    @router.get("/items")
    def items(given: Annotated[str, Depends(depending)], own: str = "") -> str:
        return given + own

    application = FastAPI(routes=router.routes)

    @application.exception_handler(BadRequestError)
    def refuse(_request: Request, error: BadRequestError) -> PlainTextResponse:
        return PlainTextResponse(str(error), 400)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://service") as client:
        answer = await client.get(f"/items{query}")

    assert answer.status_code == status
    assert ("Did you mean 'shared'?" in answer.text) is (status == 400)
