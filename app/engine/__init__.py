"""Requests to answers, together where that is cheaper; knows nothing of images, torch or this service."""
