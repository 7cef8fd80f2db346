"""The small models in PyTorch, batched over sessions, for a graphics card.

The weights are those that ONNX Runtime runs; on a CPU the same code runs in float32, which is how
it is tested.
"""
