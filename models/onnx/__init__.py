"""ONNX graphs: building, reading and running them."""
