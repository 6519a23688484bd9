"""The service's settings, from SOFTMAX_* environment variables. Made by `create_app`, never at import."""

from pathlib import Path

from pydantic import ByteSize, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Settings"]


class Settings(BaseSettings):
    """Each field is the environment variable SOFTMAX_<FIELD>; sizes may be written like `1MiB`."""

    model_config = SettingsConfigDict(env_prefix="SOFTMAX_", frozen=True)

    models_dir: Path = Field(default=Path("models"), description="each sub-folder with a model.safetensors is a model")
    default_model: str | None = Field(
        default=None, description="answers when the caller names none; unset: fashion-mnist, else the first by name"
    )
    min_accuracy: float | None = Field(
        default=None, ge=0, le=1, description="models of a lower test accuracy are refused; unset: none is"
    )
    models_poll_seconds: PositiveFloat = Field(
        default=0.25, le=60, description="time between looks at the models folder; a change is served after two looks"
    )
    host: str = "127.0.0.1"
    port: NonNegativeInt = Field(default=8000, le=65535)
    workers: PositiveInt = Field(default=1, description="processes that answer, each with one thread of torch")
    max_image_bytes: ByteSize = Field(default=ByteSize(2**20), description="largest image file")
    max_batch_bytes: ByteSize = Field(default=ByteSize(16 * 2**20), description="largest body with many images")
    max_batch_images: PositiveInt = Field(default=1024, description="most images in one request")
    max_image_pixels: PositiveInt = Field(default=4_000_000, description="largest image that is resized")
    max_batch_pixels: PositiveInt = Field(
        default=16_000_000, description="of many images in one request that are resized, the share of each is its limit"
    )
    max_json_bytes: ByteSize = Field(default=ByteSize(2**20), description="largest JSON object of the /v2 protocol")
    max_header_bytes: ByteSize = Field(default=ByteSize(64 * 2**10), description="longest request line and headers")
    max_pending_bytes: ByteSize = Field(
        default=ByteSize(128 * 2**20), description="bodies that are arriving or wait, all together, in one worker"
    )
    max_delay_ms: PositiveFloat = Field(
        default=40, description="a request that may have waited this long is refused, so that the rest need not wait"
    )
    header_seconds: PositiveFloat = Field(default=10, description="for a request's line and headers to arrive")
    body_seconds: PositiveFloat = Field(default=30, description="for a request's body to arrive")
    idle_seconds: PositiveFloat = Field(default=75, description="until a connection without a request is closed")
    drain_seconds: NonNegativeFloat = Field(
        default=2, description="between SIGTERM, which makes the service unready, and the end of listening"
    )
    stop_seconds: PositiveInt = Field(default=10, description="for the requests in work to end after that")
