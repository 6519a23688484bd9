"""MLServer's runtime: a batch of PNG files to labels and probabilities."""

from classifier import Classifier
from mlserver import MLModel
from mlserver.codecs import Base64Codec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class ImageModel(MLModel):
    async def load(self) -> bool:
        self.classifier = Classifier()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        answers = self.classifier.classify(Base64Codec.decode_input(payload.inputs[0]))
        probabilities = [value for answer in answers for value in answer["probabilities"].values()]
        shape = [len(answers), len(self.classifier.labels)]
        outputs = [
            StringCodec.encode_output("label", [answer["label"] for answer in answers]),
            ResponseOutput(name="probabilities", shape=shape, datatype="FP32", data=probabilities),
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
