"""What hears, reads and feels. Imports `streamer.audio` and itself."""

import os

# ONNX Runtime tells its makers about every process that imports it, unless it is told not to before
# that. Whoever sets the variable otherwise is obeyed.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
