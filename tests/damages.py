"""What can be wrong with a model file: each damage makes a bad file of a good one."""

from collections.abc import Callable

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

__all__ = ["DAMAGES"]


def _not_finite(content: bytes) -> bytes:
    start = 8 + int.from_bytes(content[:8], "little")  # where the header ends, and `bias` begins
    return content[:start] + b"\x00\x00\xc0\x7f" + content[start + 4 :]


def _overflowing(content: bytes) -> bytes:
    """Weights that are finite, and overflow where they meet an image."""
    weight = content.rfind(load_tensors(content)["weight"].numpy().tobytes())
    return content[:weight] + b"\xff\xff\x7f\x7f" * 2 + content[weight + 8 :]


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "damaged"),
    "half": (lambda content: content[: len(content) // 2], "damaged"),
    "text": (lambda _: b"weights, honestly" * 10, "damaged"),
    "foreign": (lambda _: save_tensors({"weight": torch.zeros(10, 784)}), "not a softmax-serving model"),
    "other shape": (lambda content: content.replace(b"[10,784]", b"[784,10]"), "tensor 'weight' should be"),
    "not finite": (_not_finite, "tensor 'bias' has values that are not finite"),
    "overflowing": (_overflowing, "its logits could reach"),
    "repeated label": (lambda content: content.replace(b"Sneaker", b"Trouser", 1), "labels are not unique"),
    "other answers": (lambda content: content[:-1] + bytes([content[-1] ^ 0x80]), "no longer gives the answers"),
}
"""By name: the damage, and what the refusal says of it."""
