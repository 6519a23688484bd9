"""Challengers: the evidence that one is better, its promotion, and the way back."""
