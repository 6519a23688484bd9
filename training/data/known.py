"""What `--dataset` takes."""

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["FAMILY", "Member", "entries"]

_DIGITS = tuple("0123456789")
_KANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
_GARMENTS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


@dataclass(frozen=True, slots=True)
class Member:
    """One of the data sets that torchvision knows in MNIST's format."""

    type_name: str  # of torchvision's class
    summary: str
    split: str | None = None  # of EMNIST
    labels: tuple[str, ...] | None = None  # None: those that torchvision knows
    transposed: bool = False
    first_class: int = 0  # torchvision's number of our class 0


def _emnist(split: str, summary: str, first_class: int = 0) -> Member:
    # EMNIST's files keep each image column by column (Cohen et al. 2017, section II).
    return Member("EMNIST", summary, split, transposed=True, first_class=first_class)


FAMILY = {
    "fashion-mnist": Member("FashionMNIST", "10 kinds of garments, 60,000 + 10,000 images", labels=_GARMENTS),
    "mnist": Member("MNIST", "handwritten digits, 60,000 + 10,000 images", labels=_DIGITS),
    "kmnist": Member("KMNIST", "10 cursive Japanese characters, 60,000 + 10,000 images", labels=_KANA),
    "qmnist": Member("QMNIST", "MNIST with its whole test set, 60,000 + 60,000 images", labels=_DIGITS),
    "emnist-byclass": _emnist("byclass", "digits, upper- and lower-case letters, 697,932 + 116,323 images"),
    "emnist-bymerge": _emnist("bymerge", "the same, look-alike cases merged into 47 classes"),
    "emnist-balanced": _emnist("balanced", "47 classes, equally frequent, 112,800 + 18,800 images"),
    "emnist-letters": _emnist("letters", "26 letters, cases merged, 124,800 + 20,800 images", first_class=1),
    "emnist-digits": _emnist("digits", "digits, 240,000 + 40,000 images"),
    "emnist-mnist": _emnist("mnist", "digits in MNIST's number, 60,000 + 10,000 images"),
}


def entries() -> Iterator[tuple[str, str]]:
    """Each data set's name and what it is."""
    for name, member in FAMILY.items():
        yield name, member.summary
    yield "folder:PATH", "image files, one sub-folder per class"
    yield "npy:DIR", "images.npy uint8 [N, 28, 28], labels.npy, optional classes.json"
