"""GIF files taken apart as browsers do it: the first frame, and whether there are more."""

from collections.abc import Iterator

from app.classifier.errors import DamagedImageError
from app.classifier.formats.parts import ImageParts, most_pieces, too_many_pieces

__all__ = ["take_apart"]

_SCREEN_BYTES = 13  # signature and what describes the screen; its flags are at 10
_FRAME_BYTES = 10  # what describes a frame, from its kind to its flags
_EXTENSION, _FRAME = b"!"[0], b","[0]  # kinds of blocks
_END = b";"
_CONTROL = b"!\xf9\4"  # start of the extension that tells the next frame's flags, delay and transparent index
_IS_TRANSPARENT = 1  # flag of a control
_HAS_PALETTE = 0x80  # flag of a screen or a frame


def take_apart(content: bytes, name: str) -> ImageParts:
    """Find what a GIF shows, without its comments and the like; a frame that is broken is left to the decoder.

    Raises:
        DamagedImageError: the frame has no palette; browsers show black then.
        TooManyPartsError: it has more blocks than an image needs.
    """
    screen = content[: _SCREEN_BYTES + _palette_bytes(content[10:11])]
    control = frame = b""
    has_more_frames = False
    for kind, block in _blocks(content, len(screen), name):
        if frame and kind == _FRAME:
            has_more_frames = True
            break
        if kind == _FRAME:
            frame = block
        elif block.startswith(_CONTROL) and not frame:
            control = _CONTROL + bytes([block[3] & _IS_TRANSPARENT]) + block[4:7] + b"\0"
    if len(frame) >= _FRAME_BYTES and not _HAS_PALETTE & (screen[10] | frame[_FRAME_BYTES - 1]):
        raise DamagedImageError(f"{name} is a GIF without a palette.")
    return ImageParts(screen + control + frame + _END, has_more_frames)


def _blocks(content: bytes, place: int, name: str) -> Iterator[tuple[int, bytes]]:
    """Kind and bytes of each block, up to what is none; the last may be cut."""
    pieces_left = most_pieces(content)
    while place < len(content):
        start, kind = place, content[place]
        if kind == _EXTENSION:
            place += 2
        elif kind == _FRAME:
            flags = place + _FRAME_BYTES - 1
            place += _FRAME_BYTES + _palette_bytes(content[flags : flags + 1]) + 1
        else:
            return
        length = -1
        while length and place < len(content):  # its data, in pieces of up to 255 bytes and one of none
            pieces_left -= 1
            if pieces_left < 0:
                raise too_many_pieces(name)
            length = content[place]
            place += 1 + length
        yield kind, content[start:place]


def _palette_bytes(flags: bytes) -> int:
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & _HAS_PALETTE else 0
