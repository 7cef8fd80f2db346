"""Devices: ONNX Runtime sessions, all opened the same way, and what PyTorch can use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import onnxruntime as ort

_NO_CUDA: Final = "no CUDA device was found; use --device cpu"


class DeviceUnavailableError(RuntimeError):
    """The wanted device is not usable here; the message says what to do."""


def open_session(path: Path, *, threads: int, device: str = "cpu") -> ort.InferenceSession:
    """Open a model. Safe to call from several threads at once.

    Args:
        threads: threads one call may use; they wait without spinning, so that idle sessions
            cost nothing and the pools of several models do not fight.
        device: `cpu` or `cuda`.

    Raises:
        DeviceUnavailableError: `cuda` was asked for and this machine has no usable GPU.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    if device == "cuda":
        if "CUDAExecutionProvider" not in ort.get_available_providers():
            raise DeviceUnavailableError(_NO_CUDA)
        providers.insert(0, "CUDAExecutionProvider")
    session = ort.InferenceSession(str(path), options, providers=providers)
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise DeviceUnavailableError("CUDA could not be started; use --device cpu")
    return session


def calm_openmp() -> None:
    """To be called before torch is imported: its OpenMP threads would spin between passes and
    starve the other models."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def require_torch_device(device: str) -> None:
    """
    Raises:
        DeviceUnavailableError: `cuda` was asked for and PyTorch has no usable GPU.
    """
    # Seconds of imports, only for those who use such models.
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailableError(_NO_CUDA)
