"""The service: loads the trained models and answers HTTP requests."""
