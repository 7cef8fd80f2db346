"""`python -m benchmarks.serving.peers`."""

from benchmarks.serving.peers.run import app

app()
