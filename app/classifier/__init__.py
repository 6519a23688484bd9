"""Pixels to class probabilities. Knows nothing of HTTP; training and serving both stand on it."""
