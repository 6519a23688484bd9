"""Random numbers that follow from a seed alone."""

import torch

__all__ = ["random_stream"]


def random_stream(seed: int, number: int, device: torch.device) -> torch.Generator:
    """Stream 0 of a seed draws the initial weights, stream e shuffles epoch e: a resumed run needs no random state."""
    return torch.Generator(device).manual_seed((seed << 24) + number)
