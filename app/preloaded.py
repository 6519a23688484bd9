"""What every worker needs, imported once: workers are forked from a process that has imported this, and share it.

Importing torch and the service takes seconds of a core and hundreds of MB in each process that does so by itself.
"""

import gc
import os
import signal
from functools import partial

import uvloop  # noqa: F401 - as uvicorn would in each worker

import app.engine.connections.connection
import app.main  # noqa: F401

__all__: list[str] = []

gc.collect()
gc.freeze()  # a worker's collections leave these objects alone, so their memory stays shared
# Whoever stops the whole group of processes must not stop this one, from which a worker may just be forked: it ends
# with the launcher. A worker is stopped as ever.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.register_at_fork(after_in_child=partial(signal.signal, signal.SIGTERM, signal.SIG_DFL))
