"""Save the model as `mlflow models serve` takes it: `python save_model.py FOLDER`."""

import sys

import mlflow
from image_model import ImageModel

mlflow.pyfunc.save_model(sys.argv[1], python_model=ImageModel(), pip_requirements=[])
