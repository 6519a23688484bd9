"""Data sets, splits, minibatches."""
