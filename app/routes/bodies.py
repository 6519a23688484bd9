"""What OpenAPI says of bodies that FastAPI can't derive; examples are answers of this project's own model."""

from typing import Any

from app.classifier.images import FORMAT_NAMES
from app.records.told import TellableLabel

__all__ = ["BATCH", "FEEDBACK", "PREDICTION", "example", "labels", "many_images", "one_image"]

PREDICTION: dict[str, Any] = {  # of docs/boot.png
    "id": "6b0cb5f43c8e1d5a97f02b64e8d1",
    "label": "Ankle boot",
    "class_id": 9,
    "confidence": 0.9349316954612732,
    "probabilities": {
        "T-shirt/top": 2.137307774319197e-6,
        "Trouser": 2.8227505666222896e-8,
        "Pullover": 6.494561262115894e-7,
        "Dress": 4.316545343385769e-8,
        "Coat": 6.657410267507657e-8,
        "Sandal": 0.059883348643779755,
        "Shirt": 7.047054623399163e-6,
        "Sneaker": 0.005084484815597534,
        "Bag": 9.055421105585992e-5,
        "Ankle boot": 0.9349316954612732,
    },
    "model": {"name": "fashion-mnist", "version": "2b084d114809"},
}
BATCH: dict[str, Any] = {  # of docs/boot.png, and of a file that is no image
    "model": PREDICTION["model"],
    "predictions": [
        PREDICTION,
        {
            "type": "urn:softmax-serving:not-an-image",
            "title": "Not an image",
            "status": 415,
            "detail": f"notes.txt is not an image in a format that is read; send one of {FORMAT_NAMES}.",
        },
    ],
}
FEEDBACK: dict[str, Any] = {  # of docs/boot.png, told to be a sneaker
    "model": PREDICTION["model"],
    "count": 1,
    "correct": 0,
    "answers": [
        {
            "id": PREDICTION["id"],
            "label": PREDICTION["label"],
            "true_label": "Sneaker",
            "correct": False,
            "confidence": PREDICTION["confidence"],
        }
    ],
}

_IMAGE = {"type": "string", "format": "binary", "description": f"one frame of {FORMAT_NAMES}"}


def example(answer: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """An answer with status 200."""
    return {200: {"content": {"application/json": {"example": answer}}}}


def one_image() -> dict[str, Any]:
    """A body with one image: the form's part `file`, or the image itself, of whose types one stands for all."""
    form = {"type": "object", "required": ["file"], "properties": {"file": _IMAGE}}
    content = {"multipart/form-data": {"schema": form}, "application/octet-stream": {"schema": _IMAGE}}
    return {"requestBody": {"required": True, "content": content}}


def many_images() -> dict[str, Any]:
    """A form whose parts `files` are images."""
    files = {"type": "array", "items": _IMAGE}
    form = {"type": "object", "required": ["files"], "properties": {"files": files}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


def labels() -> dict[str, Any]:
    """A label by id; or a form with as many parts `label` as parts `file`, in the same order.

    That there may be many labels by id the endpoint says: generated clients choose by the body's type, and know neither
    lists nor lines.
    """
    files = {"type": "array", "items": _IMAGE, "minItems": 1}
    names = {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "the truth, one a file"}
    form = {"type": "object", "required": ["file", "label"], "properties": {"file": files, "label": names}}
    told = {"$ref": f"#/components/schemas/{TellableLabel.__name__}"}
    content = {
        "multipart/form-data": {"schema": form},
        "application/json": {"schema": told},
    }
    return {"requestBody": {"required": True, "content": content}}
