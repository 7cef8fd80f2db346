"""A model that is opened by the first who needs it: who never does pays nothing."""

from __future__ import annotations

import threading
from pathlib import Path

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from streamer.models.errors import ModelCorruptError, ModelMissingError
from streamer.models.onnx.runtime import open_session


class LateSession:
    """One ONNX Runtime session. Safe to use from several threads."""

    def __init__(self, path: Path, what: str, *, device: str = "cpu") -> None:
        """
        Args:
            what: the model is of, for messages.
            device: `cpu`, `cuda` or `cuda:1`.

        Raises:
            ModelMissingError: there is no such file.
        """
        if not path.is_file():
            raise ModelMissingError(f"there is no model of {what} at {path}")
        self._path, self._device = path, device
        self._opening = threading.Lock()
        self._session: ort.InferenceSession | None = None

    def opened(self) -> ort.InferenceSession:
        """
        Raises:
            ModelCorruptError: the file cannot be read.
            DeviceUnavailableError: the device is wanted and not there.
        """
        with self._opening:
            if self._session is None:
                try:
                    self._session = open_session(self._path, threads=1, device=self._device)
                except (
                    ort_state.Fail,
                    ort_state.InvalidGraph,
                    ort_state.InvalidProtobuf,
                ) as error:
                    raise ModelCorruptError(
                        f"{self._path} is not a model that can be loaded"
                    ) from error
            return self._session
