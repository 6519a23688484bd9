"""The plain FastAPI way: UploadFile, Pillow, torch, and a dict that FastAPI turns into JSON.

Endpoints are `async def`, which is faster here than `def` and its thread pool; they never wait while they compute.
"""

from typing import Any

import torch
from classifier import Classifier
from fastapi import FastAPI, Request, UploadFile

app = FastAPI()
classifier = Classifier()


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, Any]:
    [answer] = classifier.classify([await file.read()])
    return answer


@app.post("/predict/batch")
async def predict_batch(files: list[UploadFile]) -> dict[str, Any]:
    return {"predictions": classifier.classify([await file.read() for file in files])}


@app.post("/predict/pixels")
async def predict_pixels(request: Request) -> dict[str, Any]:
    pixels = torch.frombuffer(bytearray(await request.body()), dtype=torch.uint8).reshape(-1, 784)
    probabilities = classifier.probabilities(pixels)
    labels = [classifier.labels[index] for index in probabilities.argmax(dim=1).tolist()]
    return {"labels": labels, "probabilities": probabilities.tolist()}
