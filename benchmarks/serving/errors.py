"""What can go wrong in a measurement; the table shows the text instead of figures."""

__all__ = ["BenchmarkError"]


class BenchmarkError(Exception):
    """A peer can't be installed, started or measured, or it answers wrongly."""
