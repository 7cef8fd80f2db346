"""Measurements behind the documents' figures: `python -m benchmarks.FOLDER.NAME --help`."""

import streamer.models  # noqa: F401  (before anything imports ONNX Runtime, see there)
