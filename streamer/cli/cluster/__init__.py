"""`streamer cluster`: the server on many machines."""
