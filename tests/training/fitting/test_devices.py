"""Where it is trained is said, and what can't be had is refused in one sentence."""

import warnings

import pytest
import torch

from training.errors import DeviceError
from training.fitting.devices import choose_device, describe_device, why_not_cuda

needs_no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")


@pytest.mark.parametrize("choice", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:0:1", "", "CPU"])
def test_what_is_no_device_is_refused(choice: str) -> None:
    with pytest.raises(DeviceError, match=r"there are auto, cpu, cuda and cuda:N"):
        choose_device(choice)


@needs_no_cuda
@pytest.mark.parametrize("choice", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_where_there_is_none_is_refused_in_torchs_own_words(choice: str) -> None:
    with pytest.raises(DeviceError, match=rf"--device {choice}: torch .* finds no CUDA device here: \w+") as refused:
        choose_device(choice)

    assert "\n" not in str(refused.value)


@needs_no_cuda
def test_auto_says_why_it_took_the_cpu_where_torch_is_built_for_cuda() -> None:
    device = choose_device("auto")

    assert device.type == "cpu"
    assert (why_not_cuda("auto", device) is None) == (torch.version.cuda is None)
    assert why_not_cuda("cpu", device) is None


def test_a_gpu_that_cannot_compute_is_refused_in_torchs_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_kernel_image(*_: object, **__: object) -> None:
        raise torch.AcceleratorError("CUDA error: no kernel image is available for execution\nCompile with TORCH_USE")

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch, "ones", no_kernel_image)

    with pytest.raises(
        DeviceError, match=r"^--device cuda:1 can't compute: CUDA error: no kernel image .* execution\.$"
    ):
        choose_device("cuda:1")
    with pytest.raises(DeviceError, match="there is no such GPU; this machine has cuda:0 to cuda:1"):
        choose_device("cuda:2")


def test_a_driver_that_is_too_old_is_the_reason_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_old() -> bool:
        warnings.warn("CUDA initialization: The NVIDIA driver is too old (found 11040). Please update it", stacklevel=2)
        return False

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", too_old)
    monkeypatch.setattr(torch.cuda, "init", lambda: None)

    assert why_not_cuda("auto", choose_device("auto")) == "The NVIDIA driver is too old (found 11040)"
    with pytest.raises(DeviceError, match=r"no CUDA device here: The NVIDIA driver is too old \(found 11040\)\.$"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("choice", "local_rank", "reason"),
    [
        ("cuda", 2, "torchrun started process 2 here, which has 2 GPUs: lower --nproc-per-node"),
        ("cuda:1", 1, "torchrun's processes each take a GPU of their own; say --device cuda"),
    ],
)
def test_torchruns_processes_each_take_a_gpu_of_their_own(
    choice: str, local_rank: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("LOCAL_RANK", str(local_rank))

    with pytest.raises(DeviceError, match=reason):
        choose_device(choice)


def test_the_cpu_is_described() -> None:
    assert describe_device(torch.device("cpu"))["device"] == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_is_described_and_one_too_many_refused() -> None:
    device = choose_device("cuda")

    assert device == torch.device("cuda", 0)
    assert describe_device(device).keys() == {"device", "gpu", "driver", "cuda", "precision"}
    assert torch.get_float32_matmul_precision() == "highest"
    with pytest.raises(DeviceError, match="there is no such GPU"):
        choose_device("cuda:99")
