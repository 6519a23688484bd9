"""The model file: one safetensors file that holds all that serving reads.

Tensors:
    weight               float32 [C, 784]
    bias                 float32 [C]
    check.images         uint8 [K, 28, 28], generated patterns
    check.probabilities  float32 [K, C], the freshly trained model's answers to them
    pixels.mean, pixels.deviation, pixels.limit  as in PixelStatistics; a file may lack them
    conformal.probabilities  as in ConformalScores; a file may lack it
    trained_on           int64 [n], the first 8 bytes of the SHA-256 of each training image's 784 pixels, ascending; a
                         file may lack it

The metadata is one JSON document (`metadata.Metadata`) under the key `softmax_serving`, and under `sha256` a checksum,
which a file may lack: the SHA-256 of the whole file with 64 zeros in the checksum's place. The version of a model is
the first 12 hex digits of the file's SHA-256.
"""

import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import orjson
import safetensors
import torch
from pydantic import ValidationError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from app.classifier.conformal import ConformalScores
from app.classifier.errors import ModelFileError
from app.classifier.metadata import Metadata
from app.classifier.model_file import FILE_NAME, read, version_of
from app.classifier.pixel_statistics import PixelStatistics
from app.classifier.softmax import PIXELS, SIDE, SoftmaxRegression, to_inputs

__all__ = ["FILE_NAME", "Artifact", "load", "prove", "replace_files", "save", "serialize"]

_METADATA_KEY = "softmax_serving"
_CHECKSUM_KEY = "sha256"
_KNOWN_KEYS = {_METADATA_KEY, _CHECKSUM_KEY, "format"}  # the last is what other writers of safetensors add
_CHECKSUM_FIELD = '"sha256":"%s"'
_NO_CHECKSUM = "0" * 64
_CONFORMAL = "conformal.probabilities"
_TRAINED_ON = "trained_on"
_PIXEL_STATISTICS = {"mean": (PIXELS,), "deviation": (PIXELS,), "limit": ()}
_MAX_LOGIT = torch.finfo(torch.float32).max / 2  # that weights may make: the difference of two is finite, too
_RANGES = {"pixels.mean": (0, 1), "pixels.deviation": (0, 1), "pixels.limit": (0, math.inf), _CONFORMAL: (0, 1)}
_ASCENDING = (_CONFORMAL, _TRAINED_ON)
_CHECK_TOLERANCE = 1e-5  # machines round matrix products differently, by some 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Artifact:
    """A model file as loaded and proven."""

    model: SoftmaxRegression
    metadata: Metadata
    version: str
    pixel_statistics: PixelStatistics | None = None
    conformal: ConformalScores | None = None
    trained_on: Tensor | None = None
    has_checksum: bool = False  # which was right: all of the file was there


def save(
    path: Path,
    model: SoftmaxRegression,
    metadata: Metadata,
    pixel_statistics: PixelStatistics | None = None,
    conformal: ConformalScores | None = None,
) -> str:
    """Write the model file in one atomic step: a reader sees the old file or the new one, never a part.

    Returns:
        The version of what was written.

    Raises:
        OSError: the folder or the file can't be written; an existing file stays whole.
    """
    content = serialize(model, metadata, pixel_statistics, conformal)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_files({path: content})
    return version_of(content)


def serialize(
    model: SoftmaxRegression,
    metadata: Metadata,
    pixel_statistics: PixelStatistics | None = None,
    conformal: ConformalScores | None = None,
    trained_on: Tensor | None = None,
) -> bytes:
    """The content of a model file.

    Without pixel statistics, of the training images, the service can't tell images that look otherwise;
    without conformal scores, of validation images, it can't choose prediction sets; without `trained_on`, nobody can
    tell whether the model is measured on what it was trained on.
    """
    model = SoftmaxRegression(model.weight.detach().cpu().contiguous(), model.bias.detach().cpu().contiguous())
    images = _check_patterns()
    tensors = {
        "weight": model.weight,
        "bias": model.bias,
        "check.images": images,
        "check.probabilities": model.probabilities(to_inputs(images)),
    }
    if pixel_statistics is not None:
        tensors |= {f"pixels.{name}": getattr(pixel_statistics, name) for name in _PIXEL_STATISTICS}
    if conformal is not None:
        tensors[_CONFORMAL] = conformal.probabilities
    if trained_on is not None:
        tensors[_TRAINED_ON] = trained_on.sort().values
    content = save_tensors(tensors, {_METADATA_KEY: metadata.model_dump_json(), _CHECKSUM_KEY: _NO_CHECKSUM})
    content = _in_one_order(content)
    return _with_checksum(content, _NO_CHECKSUM, sha256(content).hexdigest())


def load(path: Path) -> Artifact:
    """Read a model file and prove it: shapes, values, unique labels, stored answers reproduced, checksum.

    No image can make a logit of it that is not finite, and all that it says of itself can be said in JSON.

    Raises:
        ModelFileError: the file is missing, unreadable, damaged, of another format, or answers differently now.
    """
    return prove(path, read(path))


def prove(path: Path, content: bytes) -> Artifact:
    """As `load`, of what was read at this path."""
    try:
        tensors = load_tensors(content)
        stored = _header_metadata(content)
        metadata = Metadata.model_validate_json(stored[_METADATA_KEY])
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise ModelFileError(path, f"it is damaged or not a softmax-serving model ({_first_line(error)})") from error
    _check_tensors(path, tensors, class_count=len(metadata.labels))
    _check_values(path, tensors)
    _check_words(path, metadata)
    model = SoftmaxRegression(tensors["weight"], tensors["bias"])
    answers = model.probabilities(to_inputs(tensors["check.images"]))
    if not torch.allclose(answers, tensors["check.probabilities"], rtol=0, atol=_CHECK_TOLERANCE):
        raise ModelFileError(path, "it no longer gives the answers that were stored with it after training")
    for unknown in stored.keys() - _KNOWN_KEYS:  # the checksum's own key, damaged
        raise ModelFileError(path, f"it is damaged: its metadata have the key {unknown!r}")
    checksum = stored.get(_CHECKSUM_KEY)
    if checksum is not None and sha256(_with_checksum(content, checksum, _NO_CHECKSUM)).hexdigest() != checksum:
        raise ModelFileError(path, "it is damaged: its content is not that of its checksum")
    found = [tensors[f"pixels.{name}"] for name in _PIXEL_STATISTICS if f"pixels.{name}" in tensors]
    return Artifact(
        model,
        metadata,
        version_of(content),
        pixel_statistics=PixelStatistics(*found) if found else None,
        conformal=ConformalScores(tensors[_CONFORMAL]) if _CONFORMAL in tensors else None,
        trained_on=tensors.get(_TRAINED_ON),
        has_checksum=checksum is not None,
    )


def _header_metadata(content: bytes) -> dict[str, str]:
    """The string-to-string metadata that safetensors keeps in its header: 8 bytes of length, then JSON."""
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    return metadata


def _in_one_order(content: bytes) -> bytes:
    """The same with its header's metadata sorted: safetensors writes them in a random order, so to many versions."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    written = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    padded = written + b" " * (-len(written) % 8)
    return len(padded).to_bytes(8, "little") + padded + content[8 + length :]


def _with_checksum(content: bytes, old: str, new: str) -> bytes:
    return content.replace((_CHECKSUM_FIELD % old).encode(), (_CHECKSUM_FIELD % new).encode(), 1)


def _check_tensors(path: Path, tensors: dict[str, Tensor], class_count: int) -> None:
    checks = tensors.get("check.images", torch.empty(0))
    count = max(1, checks.shape[0] if checks.ndim else 0)  # without any, nothing would be proven
    expected = {
        "weight": (torch.float32, (class_count, PIXELS)),
        "bias": (torch.float32, (class_count,)),
        "check.images": (torch.uint8, (count, SIDE, SIDE)),
        "check.probabilities": (torch.float32, (count, class_count)),
    }
    if any(name.startswith("pixels.") for name in tensors):
        expected |= {f"pixels.{name}": (torch.float32, shape) for name, shape in _PIXEL_STATISTICS.items()}
    if _CONFORMAL in tensors:
        expected[_CONFORMAL] = (torch.float32, (tensors[_CONFORMAL].numel(),))
    if _TRAINED_ON in tensors:
        expected[_TRAINED_ON] = (torch.int64, (tensors[_TRAINED_ON].numel(),))
    for name, (dtype, shape) in expected.items():
        tensor = tensors.get(name)
        if tensor is None or tensor.dtype != dtype or tuple(tensor.shape) != shape:
            found = "none" if tensor is None else f"{tensor.dtype} {list(tensor.shape)}"
            raise ModelFileError(path, f"tensor {name!r} should be {dtype} {list(shape)}, found {found}")
        if not torch.isfinite(tensor).all():
            raise ModelFileError(path, f"tensor {name!r} has values that are not finite")


def _check_values(path: Path, tensors: dict[str, Tensor]) -> None:
    sums = torch.linalg.vector_norm(tensors["weight"], 1, dim=1, dtype=torch.float64)  # Σ|w| of each class: [C]
    largest = float((tensors["bias"].double().abs() + sums).max())
    if largest > _MAX_LOGIT:
        raise ModelFileError(path, f"its logits could reach {largest:.1e}, which float32 can't compute with")
    for name, (low, high) in _RANGES.items():
        tensor = tensors.get(name)
        if tensor is not None and not ((tensor >= low) & (tensor <= high)).all():
            raise ModelFileError(path, f"tensor {name!r} has values that are not from {low} to {high}")
    for name in _ASCENDING:
        tensor = tensors.get(name)
        if tensor is not None and not (tensor[1:] >= tensor[:-1]).all():
            raise ModelFileError(path, f"tensor {name!r} is not in ascending order")


def _check_words(path: Path, metadata: Metadata) -> None:
    """Whether the metadata can be answered: not so half a character, a number over 64 bits, lists in lists in lists."""
    try:
        orjson.dumps(metadata.model_dump(mode="json"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(path, f"its metadata can't be written as JSON ({_first_line(error)})") from error


def _check_patterns() -> Tensor:
    """Eight generated images, uint8 [8, 28, 28]: flat, ramps, checks, a disc, a frame and noise."""
    ramp = torch.linspace(0, 255, SIDE).to(torch.uint8).expand(SIDE, SIDE)
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    center = (SIDE - 1) / 2
    checks = ((rows // 4 + columns // 4) % 2 * 255).to(torch.uint8)
    disc = ((rows - center) ** 2 + (columns - center) ** 2 < 81).to(torch.uint8) * 255
    frame = torch.full((SIDE, SIDE), 255, dtype=torch.uint8)
    frame[4:-4, 4:-4] = 0
    noise = torch.randint(0, 256, (SIDE, SIDE), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    flat = torch.zeros(SIDE, SIDE, dtype=torch.uint8)
    return torch.stack([flat, flat + 255, ramp, ramp.T, checks, disc, frame, noise])


def replace_files(contents: Mapping[Path, bytes]) -> None:
    """Write files, each in one atomic step, in this order; none is replaced before all are on the disk.

    Raises:
        OSError: a folder or a file can't be written; existing files stay whole.
    """
    staged: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            try:
                descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
                staged[path] = Path(temporary)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                staged[path].chmod(0o644)
            except OSError as error:  # which names the temporary file, or none
                raise OSError(error.errno, error.strerror, str(path)) from error
        for path, written in staged.items():
            written.replace(path)
    finally:
        for written in staged.values():
            written.unlink(missing_ok=True)


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).partition("\n")[0]
