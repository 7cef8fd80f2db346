"""Live captions with feeling. One folder a stage of the road from the socket to the word."""
