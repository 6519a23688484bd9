"""What is done to a model's image files before they are its pixels."""

import io

import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from app.classifier.errors import WrongSizeError
from app.classifier.images import read_pixels
from app.classifier.preparation import Preparation, center_of_mass
from app.classifier.softmax import SIDE


def square(row: int, column: int, size: int = 6) -> bytes:
    image = torch.zeros(SIDE, SIDE, dtype=torch.uint8)
    image[row : row + size, column : column + size] = 200
    return image.numpy().tobytes()


@pytest.mark.parametrize("place", [(0, 0), (22, 22), (3, 17), (11, 11)])
def test_the_center_of_mass_comes_to_the_middle(place: tuple[int, int]) -> None:
    assert center_of_mass(square(*place)) == square(11, 11)


def test_a_blank_image_stays_where_it_is() -> None:
    assert center_of_mass(bytes(784)) == bytes(784)


def test_files_are_read_as_the_service_reads_them() -> None:
    file = io.BytesIO()
    Image.linear_gradient("L").save(file, "PNG")

    assert Preparation(resize=True, invert=True).read(file.getvalue()) == read_pixels(
        file.getvalue(), resize=True, invert=True
    )
    with pytest.raises(WrongSizeError):
        Preparation().read(file.getvalue())


def test_a_preparation_that_this_version_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError):
        Preparation.model_validate({"sharpen": True})
