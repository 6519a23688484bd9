"""Counts one version's answers until they are added to the sums: two appends an answer, the rest all at once."""

from array import array
from collections import Counter
from typing import get_args

import torch
from torch import Tensor

from app.classifier.pixel_statistics import WarningCode
from app.records.sums import BINS, Amount, Figure, Key, Sums

__all__ = ["WARNINGS", "Tally"]

WARNINGS: tuple[WarningCode, ...] = get_args(WarningCode)  # in the order of the rows of `unusual`


class Tally:
    """Answers of one version within one hour.

    Attributes:
        class_ids: of the answers.
        confidences: of the same answers, in 0-1.
        checked: how many of their images were held against the training images.
        warnings: what was unusual about them.
    """

    def __init__(self, model: str, version: str, hour: int, classes: int) -> None:
        self._key = Key(model, version, hour, "answers")
        self._classes = classes
        self.class_ids = array("q")
        self.confidences = array("d")
        self.checked = 0
        self.warnings: Counter[WarningCode] = Counter()

    def sums(self) -> Sums:
        """What was counted."""
        sums = Sums()
        if self.class_ids:
            class_ids = torch.frombuffer(self.class_ids, dtype=torch.int64)
            confidences = torch.frombuffer(self.confidences, dtype=torch.float64)
            bins = (confidences * BINS).long().clamp(max=BINS - 1)
            cells: tuple[tuple[Figure, Tensor, int], ...] = (
                ("answers", class_ids, self._classes),
                ("confidences", bins, BINS),
            )
            for figure, rows, size in cells:
                counts = torch.bincount(rows, minlength=size).tolist()
                totals = torch.bincount(rows, confidences, minlength=size).tolist()
                for row, (count, total) in enumerate(zip(counts, totals, strict=True)):
                    if count:
                        sums.add(self._key_of(figure, row), Amount(count, count, count, total))
        for warning, count in self.warnings.items():
            sums.add(self._key_of("unusual", WARNINGS.index(warning)), Amount(count, count, count, 0))
        if self.checked:
            sums.add(self._key_of("checked", 0), Amount(self.checked, self.checked, self.checked, 0))
        return sums

    def _key_of(self, figure: Figure, row: int) -> Key:
        return self._key._replace(figure=figure, row=row)
