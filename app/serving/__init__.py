"""The models that are served, what they answer and how well; knows nothing of HTTP."""
