"""Counting of one version's answers until they are added to the sums: a few operations an answer."""

from collections import Counter
from typing import get_args

from app.classifier.pixel_statistics import Oddity
from app.records.sums import BINS, Amount, Figure, Key, Sums

__all__ = ["WARNINGS", "Tally"]

WARNINGS: tuple[Oddity, ...] = get_args(Oddity)  # in the order of the rows of `unusual`

_CELLS = BINS + 1  # of a class: its bins, and one for a confidence of exactly 1


class Tally:
    """Answers of one version within one hour."""

    def __init__(self, model: str, version: str, hour: int, classes: int) -> None:
        self._key = Key(model, version, hour, "answers")
        self._counts = [0] * (classes * _CELLS)  # by class and bin
        self._confidences = [0.0] * (classes * _CELLS)
        self.checked = 0
        self.warnings: Counter[Oddity] = Counter()

    def count(self, class_id: int, confidence: float) -> None:
        """Count one answer."""
        cell = class_id * _CELLS + int(confidence * BINS)
        self._counts[cell] += 1
        self._confidences[cell] += confidence

    def sums(self) -> Sums:
        """What was counted."""
        sums = Sums()
        for cell, count in enumerate(self._counts):
            if count:
                amount = Amount(count, count, count, self._confidences[cell])
                class_id, confidence_bin = divmod(cell, _CELLS)
                sums.add(self._key_of("answers", class_id), amount)
                sums.add(self._key_of("confidences", min(confidence_bin, BINS - 1)), amount)
        if self.checked:
            sums.add(self._key_of("checked", 0), Amount(self.checked, self.checked, self.checked, 0))
        for warning, count in self.warnings.items():
            sums.add(self._key_of("unusual", WARNINGS.index(warning)), Amount(count, count, count, 0))
        return sums

    def _key_of(self, figure: Figure, row: int) -> Key:
        return self._key._replace(figure=figure, row=row)
