"""The service: loads the trained models and answers HTTP requests."""

import warnings

__version__ = "0.1.0"

# torch says on import that it found no NumPy; serving needs none.
warnings.filterwarnings("ignore", "Failed to initialize NumPy", UserWarning)
