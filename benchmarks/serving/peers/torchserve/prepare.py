"""Write TorchServe's archive and settings here: `prepare.py HTTP_PORT MANAGEMENT_PORT METRICS_PORT BATCH_SIZE`."""

import json
import subprocess
import sys
from pathlib import Path

HANDLER = Path(__file__).parent / "handler.py"
NAME = "fashion-mnist"

http_port, management_port, metrics_port, batch_size = map(int, sys.argv[1:])
store = Path("store")
store.mkdir()
archiver = Path(sys.executable).parent / "torch-model-archiver"
subprocess.run(  # noqa: S603  our own command, no shell
    [archiver, "--model-name", NAME, "--version", "1.0", "--handler", HANDLER, "--export-path", store], check=True
)
model = {
    "defaultVersion": True,
    "marName": f"{NAME}.mar",
    "minWorkers": 1,
    "maxWorkers": 1,
    "batchSize": batch_size,
    "maxBatchDelay": 1,
    "responseTimeout": 60,
}
settings = {
    "inference_address": f"http://127.0.0.1:{http_port}",
    "management_address": f"http://127.0.0.1:{management_port}",
    "metrics_address": f"http://127.0.0.1:{metrics_port}",
    "number_of_netty_threads": 1,
    "netty_client_threads": 1,
    "async_logging": "true",
    "disable_system_metrics": "true",
    "job_queue_size": 1000,
    "load_models": f"{NAME}.mar",
    "models": json.dumps({NAME: {"1.0": model}}),
}
Path("config.properties").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
