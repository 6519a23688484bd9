"""Pictures put together at random: any mode of a format with any of its metadata, whole and broken, in any order."""

from random import Random

from tests.pictures import bmp, gif, jpeg, png, webp
from tests.pictures.scene import COLOR, GRAY

__all__ = ["mixture"]


def mixture(random: Random) -> bytes:
    """One file; the same for the same state."""
    return random.choice((_png, _jpeg, _gif, _webp, _bmp))(random)


def _some(random: Random, pool: list[bytes]) -> list[bytes]:
    return random.sample(pool, random.randint(0, 4))


def _png(random: Random) -> bytes:
    color_type = random.choice(list(png.DEPTHS))
    transparent = random.choice([[], [png.transparent(color_type, random)]])
    pool = png.METADATA_WITHIN_SRGB if color_type == png.PALETTE and transparent else png.METADATA
    colors = random.choice((1, 2, 16, 100, 256))
    return png.png(
        color_type,
        random.choice(png.DEPTHS[color_type]),
        palette=random.choice((None, random.randbytes(3 * colors))),
        interlaced=random.random() < 0.3,
        before=_some(random, pool),
        middle=transparent + _some(random, pool),
        after=_some(random, pool),
    )


def _jpeg(random: Random) -> bytes:
    image = random.choice((GRAY, COLOR))
    return jpeg.jpeg(
        image,
        *_some(random, jpeg.METADATA),
        jfif=random.random() < 0.8,
        progressive=random.random() < 0.3,
        subsampling=0,
    ) + random.choice((b"", *jpeg.METADATA))


def _gif(random: Random) -> bytes:
    box = (random.randrange(14), random.randrange(14), random.randint(1, 14), random.randint(1, 14))
    shown = gif.frame(
        random.choice((box, gif.WHOLE)),
        palette=random.choice((b"", gif.COLORS)),
        interlaced=random.random() < 0.3,
        before=random.choice((b"", gif.control(transparent=random.randrange(256), disposal=random.randrange(4)))),
    )
    before, after = _some(random, gif.METADATA), _some(random, gif.METADATA)
    palette = random.choice((gif.COLORS, gif.GRAYS))
    return gif.gif(*before, shown, *after, palette=palette, background=random.randrange(256))


def _bmp(random: Random) -> bytes:
    bits = random.choice((1, 4, 8))
    colors = random.randint(1, 300)
    palette = random.choice((bmp.grays(min(colors, (1 << bits) - 1)), random.randbytes(4 * colors)))
    return bmp.indexed(bits, palette, header=random.choice((40, 52, 56, 64, 108, 124)))


def _webp(random: Random) -> bytes:
    options = random.choice(({"lossless": True}, {"lossless": False, "quality": 95}))
    profile = random.choice((b"", *webp.PROFILES))
    flags = random.choice((0, webp.ALL_FLAGS)) if profile else 0
    return webp.webp(
        random.choice((GRAY, COLOR)), *_some(random, webp.METADATA), before=profile, flags=flags, **options
    )
