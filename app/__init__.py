"""The service: loads the trained models and answers HTTP requests."""

__version__ = "0.1.0"
