"""PNG files taken apart as browsers do it: only what belongs to the pixels can make a file unreadable.

Any other chunk counts where it is whole, of its right checksum, before the pixels, and the first of its kind.
"""

import struct
import zlib

from app.classifier.formats.parts import Cuttings, ImageParts, most_pieces, too_many_pieces

__all__ = ["take_apart"]

_START = struct.Struct(">I4s")  # of a chunk: length of its data, and its kind; a CRC-32 over kind and data follows them
_CRC_BYTES = 4
_SIGNATURE_BYTES = 8
_BITS, _COLOR_TYPE = 24, 25  # places of them in the file
_PALETTE = 3  # color type
_TRANSPARENT_BYTES = {0: 2, 2: 6}  # of the transparent value, by color type; others have alpha
_USED_BYTES = {  # of data
    b"gAMA": 4,
    b"cHRM": 32,
    b"sRGB": 1,
    b"cICP": 4,
    b"acTL": 8,
    b"fcTL": 26,
    b"iCCP": None,
    b"eXIf": None,
}
_SEEN_KINDS = {*_USED_BYTES, b"PLTE", b"tRNS", b"fdAT"}
_MAX_PROFILE_BYTES = 1024 * 1024  # of an ICC profile once unpacked; a larger one is left out
_MAX_NAME_BYTES = 79  # of a profile's name
_LAST_INTENT = 3  # of rendering; a larger number is none
_CODED_PRIMARIES = frozenset({1, *range(4, 13), 22})  # of cICP, by the numbers of ITU-T H.273, here and below
_CODED_GAMMAS = {4: 1 / 2.2, 5: 1 / 2.8, 8: 1.0}  # transfers that are a power of light
_CODED_TRANSFERS = frozenset({*_CODED_GAMMAS, 1, 6, 7, 11, *range(13, 19)})
_UNIT = 100_000  # of a gamma and of primaries: what stands for 1
_SRGB_GAMMA = 1 / 2.2
_TOLERANCE = 0.05  # share of sRGB's gamma within which another stands for sRGB


def take_apart(content: bytes, name: str) -> ImageParts:
    """Find what a PNG shows; pixels that are broken are left to the decoder.

    Raises:
        TooManyPartsError: it has more chunks than an image needs.
    """
    pixels = Cuttings(content)
    used: dict[bytes, bytes] = {}  # by kind, the data of chunks that count
    place, pieces_left = _SIGNATURE_BYTES, most_pieces(content)
    while place + _START.size <= len(content):
        pieces_left -= 1
        if pieces_left < 0:
            raise too_many_pieces(name)
        length, kind = _START.unpack_from(content, place)
        start, place = place, place + _START.size + length + _CRC_BYTES
        if kind == b"IDAT":
            used[kind] = b""
        elif kind in _SEEN_KINDS:
            pixels.cut(start, place, _look_at(content, kind, content[start:place], used))
        elif kind[:1].islower():
            pixels.cut(start, place)
        elif kind == b"IEND":
            pixels.cut(place, len(content))
            break
    profile, gamma = _colors(used)
    return ImageParts(
        pixels.rest(),
        has_more_frames=_has_more_frames(used),
        exif=used.get(b"eXIf", b""),
        profile=profile,
        gamma=gamma,
    )


def _look_at(content: bytes, kind: bytes, chunk: bytes, used: dict[bytes, bytes]) -> bytes:
    """Note in `used` what counts of a chunk, and give what the decoder is to see in its place."""
    data = chunk[_START.size : -_CRC_BYTES]
    bits, color_type = content[_BITS : _COLOR_TYPE + 1]
    shown = b""
    if kind == b"PLTE":
        colors = 1 << bits % 16 if color_type == _PALETTE else 0
        used[kind] = data[: 3 * colors]
        shown = _chunk(kind, _filled(data, colors)) if len(data) < 3 * colors and _is_whole(chunk) else chunk
    elif kind == b"fdAT":
        used[kind] = b""
    elif b"IDAT" in used or kind in used or not _is_whole(chunk) or (kind == b"cICP" and b"PLTE" in used):
        pass
    elif kind != b"tRNS":
        if _makes_sense(kind, data):
            used[kind] = data
    elif transparent := _transparent(data, color_type, bits, used):
        used[kind] = b""
        shown = _chunk(kind, transparent)
    return shown


def _is_whole(chunk: bytes) -> bool:
    return zlib.crc32(chunk[_START.size - 4 : -_CRC_BYTES]) == int.from_bytes(chunk[-_CRC_BYTES:], "big")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return _START.pack(len(data), kind) + data + struct.pack(">I", zlib.crc32(kind + data))


def _filled(palette: bytes, colors: int) -> bytes:
    """The palette with its last color for the indices that it leaves out."""
    given = len(palette) // 3
    return palette[: 3 * given] + palette[3 * given - 3 : 3 * given] * (colors - given)


def _makes_sense(kind: bytes, data: bytes) -> bool:
    if _USED_BYTES[kind] not in {None, len(data)}:
        return False
    return any(data) if kind == b"gAMA" else data[0] <= _LAST_INTENT if kind == b"sRGB" else True


def _transparent(data: bytes, color_type: int, bits: int, used: dict[bytes, bytes]) -> bytes:
    """Alphas of the palette that stands before, or the value that is transparent; empty: neither."""
    if color_type == _PALETTE:
        colors = len(used.get(b"PLTE", b"")) // 3
        alphas = data[:colors]
        return alphas + alphas[-1:] * ((1 << bits % 16) - colors) if 0 < colors == len(alphas) else alphas
    needed = _TRANSPARENT_BYTES.get(color_type, 0)
    if bits == 16 or len(data) < needed:
        return data[:needed] if len(data) >= needed else b""
    low = data[1:needed:2]
    return b"".join(bytes([0, value]) for value in low) if all(value < 1 << bits for value in low) else b""


def _has_more_frames(used: dict[bytes, bytes]) -> bool:
    """Whether there is an animation of several frames, or of one that is not the still image."""
    frames = int.from_bytes(used.get(b"acTL", b"")[:4], "big")
    return frames > 1 or (frames == 1 and b"fdAT" in used)


def _colors(used: dict[bytes, bytes]) -> tuple[bytes | None, float | None]:
    """The profile, and the gamma that counts without it; the first cICP outdoes all else, if it makes sense."""
    primaries, transfer, *rest = used.get(b"cICP", bytes(2))
    if primaries in _CODED_PRIMARIES and transfer in _CODED_TRANSFERS and rest == [0, 1]:  # RGB, of full range
        return None, _CODED_GAMMAS.get(transfer)
    return _profile(used.get(b"iCCP", b"")), _gamma(used)


def _profile(data: bytes) -> bytes | None:
    name, _, packed = data.partition(b"\0")
    if not 1 <= len(name) <= _MAX_NAME_BYTES or not packed.startswith(b"\0"):  # the only method: zlib's
        return None
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], _MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return profile if unpacker.eof else None


def _gamma(used: dict[bytes, bytes]) -> float | None:
    """The gamma, unless the values are those of sRGB, or said to be, or its primaries make no sense."""
    if b"gAMA" not in used or b"sRGB" in used:
        return None
    gamma = int.from_bytes(used[b"gAMA"], "big") / _UNIT
    if b"cHRM" in used:
        return gamma if _span_colors(struct.unpack(">8I", used[b"cHRM"])) else None
    return None if abs(gamma / _SRGB_GAMMA - 1) <= _TOLERANCE else gamma


def _span_colors(primaries: tuple[int, ...]) -> bool:
    """Whether white, red, green and blue, each in x and y, are within bounds, and the last three not on one line."""
    red_x, red_y, green_x, green_y, blue_x, blue_y = primaries[2:]
    area = (red_x - blue_x) * (green_y - blue_y) - (green_x - blue_x) * (red_y - blue_y)
    return max(primaries) <= _UNIT and area != 0
