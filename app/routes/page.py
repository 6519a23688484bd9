"""`GET /`: the page that draws, asks and explains through the public API; and the files it is made of."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parent.parent / "static"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

files = StaticFiles(directory=_FOLDER)


@router.get("/")
async def page() -> FileResponse:
    return FileResponse(_FOLDER / "index.html", headers=_HEADERS)
