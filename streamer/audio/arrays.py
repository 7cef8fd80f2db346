"""The one type that sound and features have in memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
"""Samples in -1 … 1, or features."""
