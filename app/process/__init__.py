"""One process among several: how it starts, stops, logs and counts; knows nothing of requests or images."""
