"""MLflow's model: PNG files in base64 to answers."""

import base64
from typing import Any

from classifier import Classifier
from mlflow.pyfunc import PythonModel
from mlflow.pyfunc.model import PythonModelContext


class ImageModel(PythonModel):
    def load_context(self, context: PythonModelContext) -> None:  # noqa: ARG002  MLflow's signature
        self.classifier = Classifier()

    def predict(self, context: Any, model_input: Any, params: Any = None) -> list[dict[str, Any]]:  # noqa: ARG002  as above
        return self.classifier.classify([base64.b64decode(image) for image in model_input])
