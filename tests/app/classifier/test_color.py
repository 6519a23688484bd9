"""Colors in sRGB: gamma, ICC profiles of gray, RGB and CMYK, and those that are none."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from app.classifier.color import gray_table, to_srgb
from tests.pictures.profiles import BROKEN, GRAY_PROFILES, RGB_PROFILES, SRGB
from tests.pictures.scene import COLOR, GRAY

LINEAR = RGB_PROFILES["linear"]


def encoded(light: float) -> float:
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def largest_difference(one: Image.Image, other: Image.Image) -> int:
    assert (one.mode, one.size) == (other.mode, other.size)
    return max(abs(a - b) for a, b in zip(one.tobytes(), other.tobytes(), strict=True))


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0, 3.0])
def test_values_of_a_gamma_become_those_of_srgb(gamma: float) -> None:
    table = gray_table(None, gamma)

    assert table is not None
    assert list(table) == [round(255 * encoded((value / 255) ** (1 / gamma))) for value in range(256)]


@pytest.mark.parametrize("gamma", [1e-5, 42_949.67295])
def test_the_farthest_gammas_are_looked_up_too(gamma: float) -> None:
    table = gray_table(None, gamma)

    assert table is not None
    assert (table[0], table[255]) == (0, 255)


def test_what_names_no_space_is_of_srgb() -> None:
    assert gray_table(None, None) is None
    assert to_srgb(COLOR, None, None) is COLOR


@pytest.mark.parametrize("profile", [LINEAR, GRAY_PROFILES["gray of gamma 1"]])
def test_a_profile_says_what_gray_is(profile: bytes) -> None:
    found, expected = gray_table(profile, None), gray_table(None, 1.0)

    assert found is not None
    assert expected is not None
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= 1


def test_a_profile_wins_over_gamma() -> None:
    assert gray_table(RGB_PROFILES["gamma 1.8"], 1.0) == gray_table(RGB_PROFILES["gamma 1.8"], None)


@pytest.mark.parametrize(
    "name", [name for name in BROKEN if name not in {"of CMYK without a table", "without primaries"}]
)
def test_a_broken_profile_is_none(name: str) -> None:
    assert gray_table(BROKEN[name], None) is None
    assert to_srgb(COLOR, BROKEN[name], 1.0).tobytes() == to_srgb(COLOR, None, 1.0).tobytes()


def test_a_profile_of_gray_changes_no_color() -> None:
    assert to_srgb(COLOR, GRAY_PROFILES["gray of gamma 1"], 1.0) is COLOR


def test_a_profile_of_rgb_changes_no_cmyk() -> None:
    inks = COLOR.convert("CMYK")

    assert to_srgb(inks, LINEAR, None) is inks


@pytest.mark.parametrize(("profile", "gamma"), [(LINEAR, None), (None, 1.0)])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_stays(mode: str, profile: bytes | None, gamma: float | None) -> None:
    alpha = GRAY.transpose(Image.Transpose.ROTATE_90)
    image = COLOR.convert(mode)
    image.putalpha(alpha)

    shown = to_srgb(image, profile, gamma)

    assert shown.getchannel("A").tobytes() == alpha.tobytes()
    opaque = to_srgb(COLOR.convert(mode.removesuffix("A")), profile, gamma)
    assert largest_difference(shown.convert(mode.removesuffix("A")), opaque) == 0


@pytest.mark.parametrize("name", RGB_PROFILES)
def test_a_large_image_is_converted_like_a_small_one(name: str) -> None:
    large = COLOR.resize((280, 280), Image.Resampling.NEAREST)

    small = to_srgb(COLOR, RGB_PROFILES[name], None).resize((280, 280), Image.Resampling.NEAREST)

    assert largest_difference(to_srgb(large, RGB_PROFILES[name], None), small) <= 1


def test_colors_of_srgb_stay() -> None:
    assert largest_difference(to_srgb(COLOR, SRGB, None), COLOR) <= 1
    large = COLOR.resize((280, 280))
    assert to_srgb(large, SRGB, None) is large


@given(
    profile=st.sampled_from([LINEAR, GRAY_PROFILES["gray of gamma 1"], SRGB]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=10),
    length=st.floats(0, 1),
)
def test_no_profile_keeps_an_image_from_being_read(
    profile: bytes, changes: list[tuple[float, int]], length: float
) -> None:
    damaged = bytearray(profile)
    for place, value in changes:
        damaged[int(place * len(damaged))] = value
    cut = bytes(damaged[: round(length * len(damaged))])

    assert len(gray_table(cut, 1.0) or b"") == 256
    assert to_srgb(COLOR, cut, None).size == COLOR.size


def test_pillow_converts_colors_here() -> None:
    assert (
        ImageCms.ImageCmsProfile(io.BytesIO(SRGB)).profile.xcolor_space == "RGB "
    )  # and not a build without LittleCMS
