"""An explanation under the names of its classes, as JSON shows it."""

import torch
from torch import Tensor

from app.classifier.explanation import Border, Counterfactual, Explanation
from app.serving.answers import BorderReport, Classification, ClassReport, CounterfactualReport, ExplanationReport

__all__ = ["report"]

_DECIMALS = 9  # of a map's values: 784 of them still add up to their sum within 1e-6


def report(classification: Classification, explanation: Explanation) -> ExplanationReport:
    """What `POST /explain` and `python -m app explain --json` answer."""
    labels = list(classification["probabilities"])
    return {
        **classification,
        "rival": labels[explanation.rival],
        "classes": _class_reports(labels, explanation),
        "contributions": _map(explanation.contributions),
        "difference": _map(explanation.difference),
        "border": {"l2": _border(explanation.l2, labels), "linf": _border(explanation.linf, labels)},
        "counterfactual": _counterfactual(explanation.counterfactual, labels),
    }


def _class_reports(labels: list[str], explanation: Explanation) -> list[ClassReport]:
    columns = (explanation.logits.tolist(), explanation.bias.tolist(), explanation.sums.tolist())
    return [
        {"label": label, "logit": logit, "bias": bias, "contribution": contribution}
        for label, logit, bias, contribution in zip(labels, *columns, strict=True)
    ]


def _map(values: Tensor) -> list[list[float]]:
    rows: list[list[float]] = torch.round(values, decimals=_DECIMALS).tolist()
    return rows


def _border(border: Border | None, labels: list[str]) -> BorderReport | None:
    return None if border is None else {"label": labels[border.class_id], "distance": border.distance}


def _counterfactual(found: Counterfactual | None, labels: list[str]) -> CounterfactualReport | None:
    if found is None:
        return None
    class_id = int(found.probabilities.argmax())
    return {
        "label": labels[class_id],
        "confidence": float(found.probabilities[class_id]),
        "pixels": found.pixels.tolist(),
        "l2": found.l2,
        "linf": found.linf,
    }
