"""The commands of `python -m app`; they need nearly all rooms, so they stand beside the roof."""
