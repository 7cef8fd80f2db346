"""Moonshine tiny, with the weights that the project runs on, as the transformers library has it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from streamer.audio.arrays import Floats
from streamer.models.moonshine.tokenizer import BOS, EOS, N_LAYERS
from streamer.models.moonshine.tokenizer import Tokenizer as Pieces
from streamer.models.onnx.ort_file import ShippedGraph
from streamer.models.store.catalog import MOONSHINE
from streamer.models.store.zoo import Zoo
from streamer.models.transformers_speech.contract import (
    Loaded,
    Prompt,
    SpeechModel,
    WindowAudio,
    window_audio,
)
from streamer.models.transformers_speech.prefix_decoder import TransformersSpeech
from streamer.models.transformers_speech.whisper import WhisperDecoding, WhisperKind

_FEED_FORWARD: Final = ("fc1", "fc2")


class _Weights:
    """A shipped graph's weights under the library's names."""

    def __init__(self, file: str, nodes: str, names: str) -> None:
        self._graph = ShippedGraph(Zoo().path(MOONSHINE.name, file))
        self._nodes, self._names = nodes, names
        self.state: dict[str, torch.Tensor] = {}

    def take(self, name: str, values: np.ndarray) -> None:
        self.state[f"{self._names}{name}"] = torch.from_numpy(np.array(values, np.float32))

    def plain(self, name: str, shipped: str) -> None:
        self.take(name, self._graph.weight(shipped))

    def matrix(self, name: str, output: str | None = None) -> None:
        """Eight bits, a scale and a zero point, widened."""
        output = output or f"{self._nodes}/{name.replace('.self', '/self')}"
        node = self._graph.node(output, "DynamicQuantizeMatMul", "MatMulIntegerToFloat")
        at = (1, 2, 3) if node.op_type == "DynamicQuantizeMatMul" else (1, 3, 5)
        codes, scale, zero = (self._graph.weight(node.inputs[i]) for i in at)
        wide = (codes.astype(np.float32) - zero.astype(np.float32)) * scale
        self.take(f"{name}.weight", wide.T)

    def layer(self, at: int, attentions: tuple[str, ...], norms: tuple[str, ...]) -> None:
        path, name = f"{self._nodes}/layers.{at}", f"layers.{at}"
        for attention in attentions:
            for part in "qkvo":
                output = f"{path}/{attention}/{part}_proj/MatMul_output_0"
                self.matrix(f"{name}.{attention}.{part}_proj", output)
        for part in _FEED_FORWARD:
            output = f"{path}/mlp/{part}/Add_output_0"
            self.matrix(f"{name}.mlp.{part}", output)
            bias = self._graph.node(output, "DynamicQuantizeMatMul").inputs[4]
            self.plain(f"{name}.mlp.{part}.bias", bias)
        for norm in norms:
            self.norm(f"{name}.{norm}", f"{path}/{norm}/LayerNormalization_output_0")

    def norm(self, name: str, output: str, index: int = 1) -> None:
        node = self._graph.node(output, "LayerNormalization", "SkipLayerNormalization")
        self.plain(f"{name}.weight", node.inputs[index])

    def operand(self, name: str, output: str, kind: str) -> None:
        self.take(name, self._graph.weight(self._graph.node(output, kind).inputs[1]).reshape(-1))

    def embedding(self, name: str) -> None:
        at = f"{self._nodes}/{name}/Gather_output_0"
        codes = self._graph.weight(self._graph.node(f"{at}_quantized", "Gather").inputs[0])
        node = self._graph.node(at, "DequantizeLinear")
        scale, zero = (self._graph.weight(each) for each in node.inputs[1:])
        wide = (codes.astype(np.float32) - zero.astype(np.float32)) * scale
        self.take(f"{name}.weight", wide)


def _encoder() -> dict[str, torch.Tensor]:
    weights = _Weights("encoder_model.ort", "", "model.encoder.")
    for conv in ("conv1", "conv2", "conv3"):
        weights.plain(f"{conv}.weight", f"{conv}.weight_add_tensor")
        if conv != "conv1":
            weights.plain(f"{conv}.bias", f"{conv}.bias")
    weights.operand("groupnorm.weight", "/groupnorm/Mul_output_0", "Mul")
    weights.operand("groupnorm.bias", "/groupnorm/Add_output_0", "Add")
    for layer in range(N_LAYERS):
        weights.layer(layer, ("self_attn",), ("input_layernorm", "post_attention_layernorm"))
    weights.norm("layer_norm", "last_hidden_state", 2)
    return weights.state


def _decoder() -> dict[str, torch.Tensor]:
    weights = _Weights("decoder_model_merged.ort", "/model/decoder", "model.decoder.")
    norms = ("input_layernorm", "post_attention_layernorm", "final_layernorm")
    for layer in range(N_LAYERS):
        weights.layer(layer, ("self_attn", "encoder_attn"), norms)
    weights.norm("norm", "/model/decoder/norm/LayerNormalization_output_0")
    weights.embedding("embed_tokens")
    weights.matrix("head", "logits")
    state = weights.state
    state["proj_out.weight"] = state.pop("model.decoder.head.weight")
    return state


def write_real_moonshine(folder: Path) -> None:
    """Writes the model, its feature extractor and a tokenizer that can decode."""
    config = transformers.MoonshineConfig(
        tie_word_embeddings=False, bos_token_id=BOS, eos_token_id=EOS, decoder_start_token_id=BOS
    )
    model = transformers.MoonshineForConditionalGeneration(config)
    model.load_state_dict({**_encoder(), **_decoder()})
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    pieces = Pieces.read(Zoo().path(MOONSHINE.name, "tokenizer.bin"))._pieces
    # Behind the control tokens come the bytes; some of the characters look the same.
    names = [
        f"<0x{piece[0]:02X}>" if EOS < token <= EOS + 256 else piece.decode()
        for token, piece in enumerate(pieces)
    ]
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, []))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in names[: EOS + 1]])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=names[BOS], eos_token=names[EOS]
    ).save_pretrained(folder)


class _Reads(WhisperKind):
    """Hears what there is to hear, and reads nothing."""

    def encode(self, sound: Floats, n_samples: int) -> WindowAudio:
        states = self._encoder(**self._loaded.features(sound)).last_hidden_state[0]
        return window_audio(states, n_samples, len(sound) / len(states))

    def begin(self, audio: WindowAudio, prompt: Prompt) -> WhisperDecoding:
        return WhisperDecoding(self._loaded, audio, [self._start])


def through_the_library(folder: Path) -> SpeechModel:
    """What `write_real_moonshine` wrote, as other speech models by name are run: they are the ones
    whose weights cannot be had here."""
    kind = transformers.MoonshineForConditionalGeneration
    model = kind.from_pretrained(folder, attn_implementation="eager").eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    loaded = Loaded(model, extractor, transformers.AutoTokenizer.from_pretrained(folder))
    return TransformersSpeech(str(folder), loaded, _Reads(loaded))
