"""A native streaming transducer of the transformers library, batched over sessions.

The library streams one batch whose rows begin and go on together. Here rows come and go, and all
share a pass, however long each has been heard.
"""
