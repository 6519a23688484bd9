"""Images of ten classes, of Fashion-MNIST where it is in data/, else drawn; a shift, and wrong labels."""

from pathlib import Path

import torch
from torch.nn import functional

from training.data.catalog import DataOptions, load_dataset
from training.data.splits import Split

__all__ = ["drawn", "fashion", "flipped", "lit", "shuffled"]

_CLASSES = 10
_LIGHT = 100  # of 255, added to black


def drawn(count: int, seed: int) -> Split:
    """Blurred shapes on black, one a class, each with some of another's: a linear model is right about some 85 %."""
    shapes = torch.Generator().manual_seed(7)
    fields = torch.rand(_CLASSES, 1, 6, 6, generator=shapes)
    smooth = functional.interpolate(fields, size=(28, 28), mode="bicubic").flatten(1)  # (10, 784)
    covered = torch.linspace(0.25, 0.8, _CLASSES)[:, None]  # coats cover more than sandals
    patterns = torch.where(smooth > covered, 40 + 200 * smooth.clamp(0, 1), torch.zeros(()))
    generator = torch.Generator().manual_seed(seed)
    class_ids, others = torch.randint(0, _CLASSES, (2, count), generator=generator)
    brightness, foreign = torch.rand(2, count, 1, generator=generator)
    foreign = 0.6 * foreign
    images = (0.4 + 0.6 * brightness) * ((1 - foreign) * patterns[class_ids] + foreign * patterns[others])
    images += 12 * torch.randn(count, 784, generator=generator).clamp(min=0)
    return Split(images.clamp(0, 255).to(torch.uint8), class_ids)


def lit(split: Split) -> Split:
    """The same with stray light on it: black becomes dark gray, white stays white."""
    return Split((_LIGHT + split.pixels.float() * (255 - _LIGHT) / 255).to(torch.uint8), split.class_ids)


def flipped(split: Split, share: float, seed: int) -> Split:
    """The same with another class for so many images, drawn by chance."""
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.rand(len(split), generator=generator) < share
    others = (split.class_ids + torch.randint(1, _CLASSES, (len(split),), generator=generator)) % _CLASSES
    return Split(split.pixels, torch.where(wrong, others, split.class_ids))


def fashion(folder: Path) -> tuple[Split, Split, tuple[str, ...]] | None:
    """Training and test images of Fashion-MNIST with its labels; None: it is not in the folder."""
    if not (folder / "FashionMNIST").exists():
        return None
    data = load_dataset(DataOptions("fashion-mnist", folder, None))
    train, test = (Split(torch.cat([p for p, _ in part.blocks()]), part.class_ids) for part in (data.train, data.test))
    return shuffled(train, 0), test, data.labels


def shuffled(split: Split, seed: int) -> Split:
    """The same in another order."""
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    return Split(split.pixels[order], split.class_ids[order])
