"""`POST /feedback`: the truth, of images that are sent with it, or of answers by their ids."""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from io import BytesIO
from threading import Lock
from typing import Annotated, Any, NotRequired

from fastapi import Query
from pydantic import Field
from typing_extensions import TypedDict

from app.engine.calls import Call, DepCall
from app.engine.forms import Upload
from app.engine.openapi import problems
from app.engine.problems import ItemProblem
from app.engine.routes import Router
from app.parts import DepParts, Parts
from app.records.errors import TooManyLabelsError
from app.records.telling import Judged
from app.records.told import Label, read_json, read_lines
from app.rollout.ledger import recorded
from app.routes import bodies
from app.routes.images import FittingOptions, ManyImagesRoute, decode, read_labeled_images
from app.routes.predict_batch import decode_or_problem
from app.serving.answers import ModelReference, Prediction
from app.serving.live_model import LiveModel


class Judgment(TypedDict):
    """The answer to one image of which the truth is known; by its id the truth can be corrected."""

    id: Annotated[str, Field(description="of the answer, by which its truth can be told anew")]
    label: Annotated[str, Field(description="the model's answer")]
    true_label: Annotated[str, Field(description="what it was told to be")]
    correct: Annotated[bool, Field(description="whether they are the same")]
    confidence: Annotated[float, Field(description="the probability of the model's answer")]


class FeedbackReport(TypedDict):
    """How the model did on the images that were sent, in their order."""

    model: Annotated[ModelReference, Field(description="which was judged")]
    count: Annotated[int, Field(description="images that were classified")]
    correct: Annotated[int, Field(description="of them, those that were answered right")]
    answers: Annotated[
        list[Judgment | ItemProblem],
        Field(description="one for each image, in their order; with `status` where it is a problem"),
    ]


class LabelsReport(TypedDict):
    """What became of labels by id: each is kept, repeated or outdated; each that is kept is joined or waits."""

    kept: Annotated[int, Field(description="labels that were new")]
    joined: Annotated[int, Field(description="to an answer that is recorded, and counted")]
    waiting: Annotated[
        int, Field(description="for the answer's record, which may be on its way; counted when it comes")
    ]
    repeated: Annotated[int, Field(description="the source has said so before")]
    outdated: Annotated[int, Field(description="the source has said otherwise since")]
    note: NotRequired[Annotated[str, Field(description="why those that wait may wait for ever")]]


class _FeedbackRoute(ManyImagesRoute):
    waits = True

    @staticmethod
    def is_light(call: Call, length: int, named: Mapping[str, Any]) -> bool:  # noqa: ARG004 - none is
        """What is told is committed before it is acknowledged, which takes as long as the database does."""
        return False


router = Router(tags=["classification"], route_class=_FeedbackRoute)

_COMPUTING = Lock()  # threads that wait for the database may be several; those that read or decode take turns
_WRITING_MANY = Lock()  # a second one, as few labels, and images, must not wait for the database that many wait for
_LINES = (b"application/x-ndjson", b"application/ndjson", b"application/jsonl", b"application/x-jsonlines")
_MAX_LABELS = 10_000  # by id, in one request: they take a second or two
_MANY_LABELS = 256  # of which writing is computing, too: four threads at it hold the event loop up twice as long
_MAX_MEMBERS = 8  # of a label, in the mean, and its lines; it has four, but may have commas in its text
_NO_ANSWERS = (
    "This service keeps no answers (SOFTMAX_RECORD=labels): what waits is counted only if another one on the same "
    "database recorded the answer. Set SOFTMAX_RECORD=answers, or send the image with its label."
)


@router.post(
    "/feedback",
    responses=bodies.example(bodies.FEEDBACK) | problems(400, 404, 413, 415, 422, 503),
    openapi_extra=bodies.labels(),
    response_model=FeedbackReport | LabelsReport,
)
def feedback(
    call: DepCall, parts: DepParts, options: Annotated[FittingOptions, Query()]
) -> FeedbackReport | LabelsReport:
    """Keep what is true, and count it for the version that answered: in `/metrics`, by the time of the answer.

    As a form, images with their labels: whether the model is right about each. Of several images, one that can't be
    classified has a problem for an answer and is not counted; a lone one is refused. As JSON or NDJSON, labels of
    answers by their ids, also of some that are not recorded yet. Anything wrong with a label refuses the whole request
    before anything is counted. What is acknowledged is kept.
    """
    content_type = call.header_fields.get(b"content-type", b"").lower().split(b";")[0].strip()
    in_lines = content_type in _LINES
    if in_lines or content_type == b"application/json":
        with _COMPUTING:
            told = _read_labels(call, in_lines=in_lines)
        with _WRITING_MANY if len(told) > _MANY_LABELS else nullcontext():
            return _tell(parts, told)
    return _judge_all(call, parts, options)


def _read_labels(call: Call, *, in_lines: bool) -> list[Label]:
    content, now = _labels(call), time.time()
    return read_lines(BytesIO(content), now) if in_lines else read_json(content, now)


def _labels(call: Call) -> bytes:
    """The body, where its JSON is small enough to be parsed.

    Raises:
        TooManyLabelsError: it has too many objects, or too much else for so many.
    """
    content = bytes(call.content)
    objects = content.count(b"{")
    if objects > _MAX_LABELS:
        raise TooManyLabelsError(f"The request has {objects:,} labels; the limit is {_MAX_LABELS:,}.")
    most = _MAX_MEMBERS * _MAX_LABELS
    if content.count(b"[") > _MAX_LABELS or content.count(b",") > most or content.count(b"\n") > most:
        raise TooManyLabelsError("The request has more in it than labels by id; see /docs.")
    return content


def _tell(parts: Parts, told: list[Label]) -> LabelsReport:
    served = {label for model in parts.models for label in model.metadata.labels}
    receipt = parts.records.tell(told, served)
    report: LabelsReport = {
        "kept": receipt.kept,
        "joined": receipt.joined,
        "waiting": receipt.waiting,
        "repeated": receipt.repeated,
        "outdated": receipt.outdated,
    }
    if receipt.waiting and not parts.records.writer.keeps_answers:
        report["note"] = _NO_ANSWERS
    return report


def _judge_all(call: Call, parts: Parts, options: FittingOptions) -> FeedbackReport:
    model = parts.model(call, options.model, options.version)
    images = read_labeled_images(call, parts)
    for image in images:
        model.check_label(image.label)
    with _COMPUTING:
        decoded = _decode_all(parts, model, [image.upload for image in images], options)
        predictions = iter(model.predict_batch([image for image in decoded if isinstance(image, bytes)]))
    report: FeedbackReport = {"model": model.reference, "count": 0, "correct": 0, "answers": []}
    judged: list[Judged] = []
    for image, pixels in zip(images, decoded, strict=True):
        if not isinstance(pixels, bytes):
            report["answers"].append(pixels)
            continue
        prediction = next(predictions)
        judgment = _judge(prediction, image.label)
        judged.append(Judged(recorded(prediction), pixels, image.label))
        report["answers"].append(judgment)
        report["count"] += 1
        report["correct"] += judgment["correct"]
    both = parts.shadow.beside(model, [one.answer for one in judged], [one.image for one in judged])
    parts.records.tell_judged(model, [one._replace(answer=answer) for one, answer in zip(judged, both, strict=True)])
    return report


def _decode_all(
    parts: Parts, model: LiveModel, uploads: list[Upload], options: FittingOptions
) -> list[bytes | ItemProblem]:
    if len(uploads) == 1:
        return [decode(parts, model, uploads[0], options)]
    return [decode_or_problem(parts, model, upload, options, len(uploads)) for upload in uploads]


def _judge(prediction: Prediction, truth: str) -> Judgment:
    return {
        "id": prediction["id"],
        "label": prediction["label"],
        "true_label": truth,
        "correct": prediction["label"] == truth,
        "confidence": prediction["confidence"],
    }
