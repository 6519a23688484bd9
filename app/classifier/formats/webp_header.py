"""WebP files whose only frame leaves some of the canvas uncovered: browsers show nothing there, Pillow black."""

from app.classifier.formats.parts import ImageParts

__all__ = ["take_apart"]

_EXTENDED = b"VP8X"  # kind of the first chunk, if there are more than pixels
_KIND = slice(12, 16)
_FLAGS = 20  # place of them
_IS_ANIMATED, _HAS_ALPHA = 0x02, 0x10


def take_apart(content: bytes, _name: str) -> ImageParts:
    """Find what a WebP shows: that of an animation is transparent, whether or not its header says so."""
    flags = content[_FLAGS] if content[_KIND] == _EXTENDED and len(content) > _FLAGS else 0
    if not flags & _IS_ANIMATED or flags & _HAS_ALPHA:
        return ImageParts(content)
    return ImageParts(content[:_FLAGS] + bytes([flags | _HAS_ALPHA]) + content[_FLAGS + 1 :])
