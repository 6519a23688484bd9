"""From weights to a model folder: evaluation, report, card, publishing."""
