"""The commands of `python -m app` besides serving; each needs nearly all rooms, so they stand beside the roof."""
