"""`python -m benchmarks.peers`."""

from benchmarks.peers.run import app

app()
