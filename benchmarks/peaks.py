"""What this machine can do at most: matrix products in each arithmetic, and reading memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

_MS: Final = "com.microsoft"
_ROUND_S: Final = 0.01
_ROUNDS: Final = 25
_BLOCK: Final = 32


@dataclass(frozen=True, slots=True)
class Size:
    """`[m, k] @ [k, n]`, and what it is in our models."""

    name: str
    m: int
    k: int
    n: int

    @property
    def ops(self) -> int:
        return 2 * self.m * self.k * self.n


SIZES: Final = (
    Size("large", 1_024, 2_048, 2_048),
    Size("encoder, 6 s", 250, 288, 1_152),
    Size("encoder, 2 s", 83, 288, 1_152),
    Size("encoder, one hop", 11, 288, 1_152),
    Size("decoder, 16 tokens", 16, 288, 2_304),
    Size("decoder, 1 token", 1, 288, 2_304),
    Size("vocabulary, 1 token", 1, 288, 32_768),
    Size("LLM, 32 tokens", 32, 640, 4_096),
    Size("LLM, 1 token", 1, 640, 4_096),
)


def best_s(work: Callable[[], Any], threads: int) -> float:
    """Seconds of one call: the best of many short rounds, and of one thread its CPU time, so
    that others on the machine matter little."""
    clock = time.thread_time if threads == 1 else time.perf_counter
    work()
    began = clock()
    work()
    calls = max(1, round(_ROUND_S / max(clock() - began, 1e-7)))
    times = []
    for _ in range(_ROUNDS):
        began = clock()
        for _ in range(calls):
            work()
        times.append((clock() - began) / calls)
    return min(times)


def float_product(size: Size, threads: int) -> Callable[[], Any]:
    """MatMul of float32 in ONNX Runtime."""
    weights = _random(size.k, size.n)
    return _call([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": weights}, size, threads)


def int8_product(size: Size, threads: int) -> Callable[[], Any]:
    """As our graphs do it: quantize the input, multiply by 8-bit weights, give floats."""
    weights = {
        "w": np.random.default_rng(0).integers(-127, 127, (size.k, size.n), np.int8),
        "scale": np.full(size.n, 0.01, np.float32),
        "zero": np.zeros(size.n, np.int8),
    }
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]),
        helper.make_node(
            "MatMulIntegerToFloat", ["xq", "w", "xs", "scale", "xz", "zero"], ["y"], domain=_MS
        ),
    ]
    return _call(nodes, weights, size, threads)


def block_product(size: Size, threads: int) -> Callable[[], Any]:
    """MatMulNBits, 8 bits in blocks, quantized activations: what the LLM's graph uses."""
    blocks = size.k // _BLOCK
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.integers(0, 255, (size.n, blocks, _BLOCK), np.uint8),
        "scale": np.full((size.n, blocks), 0.01, np.float32),
    }
    node = helper.make_node(
        "MatMulNBits",
        ["x", "w", "scale"],
        ["y"],
        domain=_MS,
        K=size.k,
        N=size.n,
        bits=8,
        block_size=_BLOCK,
        accuracy_level=4,
    )
    return _call([node], weights, size, threads)


def bfloat16_product(size: Size, threads: int) -> Callable[[], Any]:
    """torch's, in bfloat16."""
    import torch  # seconds to import, wanted by this alone

    torch.set_num_threads(threads)
    x = torch.from_numpy(_random(size.m, size.k)).bfloat16()
    weight = torch.from_numpy(_random(size.n, size.k)).bfloat16()
    return lambda: torch.nn.functional.linear(x, weight)


ARITHMETICS: Final = {
    "float32": float_product,
    "int8": int8_product,
    "int8 in blocks": block_product,
    "bfloat16": bfloat16_product,
}


def gigaops(arithmetic: str, size: Size, threads: int) -> float:
    """10^9 operations a second."""
    return size.ops / best_s(ARITHMETICS[arithmetic](size, threads), threads) / 1e9


def read_gb_s(megabytes: int, threads: int) -> float:
    """10^9 bytes a second of reading that much memory over and over: a dot product with itself,
    half of it a thread."""
    values = np.ones(megabytes * 250_000 // threads * threads, np.float32)
    parts = np.split(values, threads)
    with ThreadPoolExecutor(threads) as pool:

        def work() -> list[Any]:
            if threads == 1:
                return [np.dot(values, values)]
            return list(pool.map(lambda part: np.dot(part, part), parts))

        return values.nbytes / best_s(work, threads) / 1e9


def copy_gb_s(megabytes: int) -> float:
    """10^9 bytes a second, read and written, of one thread that copies."""
    values = np.ones(megabytes * 250_000, np.float32)
    target = np.empty_like(values)
    return 2 * values.nbytes / best_s(lambda: np.copyto(target, values), 1) / 1e9


def _random(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def _call(
    nodes: list[onnx.NodeProto], weights: dict[str, Any], size: Size, threads: int
) -> Callable[[], Any]:
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [size.m, size.k])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [size.m, size.n])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(_MS, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feed = {"x": _random(size.m, size.k)}
    return lambda: session.run(None, feed)
