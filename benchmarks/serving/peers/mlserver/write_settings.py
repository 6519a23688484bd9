"""Write MLServer's settings into the current folder: `write_settings.py HTTP_PORT GRPC_PORT METRICS_PORT`."""

import json
import sys
from pathlib import Path

http_port, grpc_port, metrics_port = map(int, sys.argv[1:4])
server = {
    "debug": False,
    "host": "127.0.0.1",
    "http_port": http_port,
    "grpc_port": grpc_port,
    "metrics_port": metrics_port,
    "metrics_endpoint": None,
    "parallel_workers": 0,
    "gzip_enabled": False,
}
model = {
    "name": "fashion-mnist",
    "implementation": "server.ImageModel",
    "max_batch_size": 64,
    "max_batch_time": 0.001,
}
Path("settings.json").write_text(json.dumps(server))
Path("model-settings.json").write_text(json.dumps(model))
