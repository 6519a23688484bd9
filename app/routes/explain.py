"""`POST /explain`: a prediction with its exact reasons, as JSON or as a picture."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query, Response

from app.classifier.picture import draw
from app.engine.calls import Call, DepCall
from app.engine.openapi import problems
from app.engine.routes import Router
from app.parts import DepParts
from app.routes import bodies
from app.routes.images import ExplainOptions, OneImageRoute, decode, read_image
from app.routes.negotiation import preferred
from app.routes.predict import complete, shown
from app.serving.answers import ExplanationReport
from app.serving.explanation_report import report

_MEDIA_TYPES = ("application/json", "image/png")
_VERSION_HEADER = "X-Model-Version"  # a picture has no other place for it


class _ExplainRoute(OneImageRoute):
    @staticmethod
    def is_light(call: Call, length: int, named: Mapping[str, Any]) -> bool:
        """A small image and no picture: drawing one takes as long as a hundred answers."""
        return OneImageRoute.is_light(call, length, named) and not _wants_picture(call)


def _wants_picture(call: Call) -> bool:
    return preferred(call.header_fields.get(b"accept", b"").decode("latin-1"), _MEDIA_TYPES) == "image/png"


router = Router(tags=["classification"], route_class=_ExplainRoute)


@router.post(
    "/explain",
    responses={
        200: {
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
            "headers": {_VERSION_HEADER: {"description": "with a picture", "schema": {"type": "string"}}},
        },
        **problems(400, 404, 413, 415, 422, 503),
    },
    openapi_extra=bodies.one_image(),
    response_model=ExplanationReport,
)
def explain(
    call: DepCall, parts: DepParts, options: Annotated[ExplainOptions, Query()]
) -> ExplanationReport | Response:
    """What each pixel contributed to the answer, and the smallest change that would flip it.

    A picture for a report where `Accept` names image/png.
    """
    model = parts.model(call, options.model, options.version)
    pixels = decode(parts, model, read_image(call), options)
    explanation = model.explain(pixels, options.against)
    if _wants_picture(call):
        picture = draw(explanation, pixels, model.metadata.labels)
        return Response(picture, headers={_VERSION_HEADER: model.version}, media_type="image/png")
    prediction = model.predict(pixels)
    complete(prediction, model, pixels, options)
    return shown(report(prediction, explanation), options.top_k)
