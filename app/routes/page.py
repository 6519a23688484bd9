"""`GET /`: the page that draws, asks and explains through the public API; `GET /docs`, `/openapi.json`; their files."""

from importlib.resources import files
from pathlib import Path

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parent.parent / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

# Swagger UI brings styles and icons within its script.
_DOCS_HEADERS = _HEADERS | {
    "Content-Security-Policy": _POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
        "img-src 'self'", "img-src 'self' data:"
    )
}

static_files = StaticFiles(directory=_FOLDER)
swagger_ui = StaticFiles(directory=Path(str(files("fastapi_swagger.resources"))))


@router.get("/")
async def page() -> FileResponse:
    return FileResponse(_FOLDER / "index.html", headers=_HEADERS)


@router.get("/docs")
async def docs() -> FileResponse:
    return FileResponse(_FOLDER / "docs.html", headers=_DOCS_HEADERS)


@router.get("/openapi.json")
def openapi(request: Request) -> Response:
    """The description of the service, made at the first request: in a thread, as it takes most of a second."""
    return Response(orjson.dumps(request.app.openapi()), media_type="application/json")
