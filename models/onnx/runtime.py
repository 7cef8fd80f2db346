"""Devices: ONNX Runtime sessions, all opened the same way, and what PyTorch can use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import onnxruntime as ort

from streamer.models.devices import cuda_index

_NO_CUDA: Final = "no CUDA device was found; use --device cpu"
_OLDEST: Final = (7, 0)
"""Compute capability of cards that PyTorch still has kernels for: Volta."""


class DeviceUnavailableError(RuntimeError):
    """The wanted device is not usable here; the message says what to do."""


def open_session(path: Path, *, threads: int, device: str = "cpu") -> ort.InferenceSession:
    """Open a model. Safe to call from several threads at once.

    Args:
        threads: threads one call may use; they wait without spinning, so that idle sessions
            cost nothing and the pools of several models do not fight.
        device: `cpu`, `cuda` or `cuda:1`.

    Raises:
        DeviceUnavailableError: `cuda` was asked for and this machine has no usable GPU.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    card = cuda_index(device)
    providers: list[str | tuple[str, dict[str, int]]] = ["CPUExecutionProvider"]
    if card is not None:
        if "CUDAExecutionProvider" not in ort.get_available_providers():
            raise DeviceUnavailableError(_NO_CUDA)
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": card}))
    session = ort.InferenceSession(str(path), options, providers=providers)
    if card is not None and session.get_providers()[0] != "CUDAExecutionProvider":
        raise DeviceUnavailableError("CUDA could not be started; use --device cpu")
    return session


def calm_openmp() -> None:
    """To be called before torch is imported: its OpenMP threads would spin between passes and
    starve the other models."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def require_torch_device(device: str) -> None:
    """
    Raises:
        DeviceUnavailableError: PyTorch cannot use that card; the message says why.
    """
    index = cuda_index(device)
    if index is None:
        return
    # Seconds of imports, only for those who use such models.
    import torch

    if torch.version.cuda is None:
        raise DeviceUnavailableError(
            "this PyTorch was built without CUDA; install one with it, or use --device cpu"
        )
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        # No driver, one that is too old for this PyTorch, no card: it says which.
        reason = str(error).splitlines()[0]
        raise DeviceUnavailableError(f"{_NO_CUDA} ({reason})") from error
    n_cards = torch.cuda.device_count()
    if index >= n_cards:
        there = " and ".join(f"cuda:{number}" for number in range(n_cards))
        raise DeviceUnavailableError(
            f"there is no {device} on this machine; use {there}, or --device cpu"
        )
    found = torch.cuda.get_device_capability(index)
    if found < _OLDEST:
        raise DeviceUnavailableError(
            f"the card {torch.cuda.get_device_name(index)} is too old (compute capability "
            f"{found[0]}.{found[1]}; {_OLDEST[0]}.{_OLDEST[1]} is needed); use --device cpu"
        )
