"""The Open Inference Protocol v2: its request and response bodies, to and from tensors."""
