"""Offline: data sets, fitting, evaluation, report. Serving never imports this; it imports `app.classifier`."""
