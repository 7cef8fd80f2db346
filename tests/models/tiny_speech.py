"""Tiny random speech models of every kind, in transformers' format, with what belongs to them.

What they say is noise, in words of a small vocabulary; it depends on what they hear and read.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:()'-\n"
WORDS: Final = [f"{a}{b}{c}" for a in "bdgk" for b in "aeiou" for c in "lmnrst"]
ENDS: Final = "</s>"
_SIZE: Final = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "initializer_range": 0.3,
}
_WHISPER_LIKE: Final = {
    "num_mel_bins": 80,
    "d_model": 32,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "max_source_positions": 1_500,
    "init_std": 0.3,
}


def write_tokenizer(
    folder: Path, control: list[str], *, sentencepiece: bool = False, **more: Any
) -> dict[str, int]:
    """A tokenizer that knows some words whole and spells the others; gives the ids by name."""
    space = "\u2581" if sentencepiece else "\u0120"
    pieces = [*("<unk>", "<s>", ENDS), space]
    pieces += [letter if letter != "\n" else "\u010a" for letter in LETTERS]
    pieces += [space + word for word in WORDS]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    if sentencepiece:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(name, special=True) for name in ["<unk>", "<s>", ENDS, *control]]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token=ENDS, unk_token="<unk>", **more
    )
    fast.save_pretrained(folder)
    ids: dict[str, int] = fast.get_vocab()
    return ids


def save(
    folder: Path,
    class_name: str,
    config: Any,
    ids: Mapping[str, int],
    *,
    seed: int,
    end: float,
    **generation: Any,
) -> None:
    """`seed` and `end`, how dear the end token is, are such that sentences of some words come, and
    others when other sound is heard."""
    torch.manual_seed(seed)
    model = getattr(transformers, class_name)(config)
    head = model.get_output_embeddings().weight
    with torch.no_grad():
        head[: len(ids) - len(WORDS)] *= 0.5
        head[ids[ENDS]] *= 2 * end
    model.generation_config._from_model_config = False  # such lose what only some models know
    for name, value in {"eos_token_id": ids[ENDS], **generation}.items():
        setattr(model.generation_config, name, value)
    model.save_pretrained(folder)


def write_whisper(folder: Path) -> None:
    control = ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|startofprev|>"]
    ids = write_tokenizer(folder, [*control, "<|notimestamps|>", "<|0.00|>"])
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    config = transformers.WhisperConfig(
        **_WHISPER_LIKE,
        vocab_size=len(ids),
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=48,
        decoder_start_token_id=ids[control[0]],
        bos_token_id=ids["<s>"],
        eos_token_id=ids[ENDS],
        pad_token_id=ids["<unk>"],
    )
    save(
        folder,
        "WhisperForConditionalGeneration",
        config,
        ids,
        seed=5,
        end=2.3,
        is_multilingual=True,
        alignment_heads=[[0, 1], [1, 0]],
        suppress_tokens=[ids["("]],
    )


def write_moonshine(folder: Path, **more: Any) -> None:
    """`more`: what its configuration has otherwise."""
    ids = write_tokenizer(folder, [], sentencepiece=True)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "encoder_num_hidden_layers": 1,
        "decoder_num_hidden_layers": 2,
        "encoder_num_attention_heads": 2,
        "decoder_num_attention_heads": 2,
        **more,
    }
    config = transformers.MoonshineConfig(
        vocab_size=len(ids),
        initializer_range=0.3,
        bos_token_id=ids["<s>"],
        eos_token_id=ids[ENDS],
        decoder_start_token_id=ids["<s>"],
        **sizes,
    )
    save(folder, "MoonshineForConditionalGeneration", config, ids, seed=3, end=2.2)


def write_moonshine_streaming(folder: Path, **encoder: Any) -> None:
    """`encoder`: what its layers have otherwise."""
    ids = write_tokenizer(folder, [], sentencepiece=True)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    config = transformers.MoonshineStreamingConfig(
        encoder_config={**_SIZE, "sliding_windows": [[16, 4], [16, 0]], **encoder},
        vocab_size=len(ids),
        bos_token_id=ids["<s>"],
        eos_token_id=ids[ENDS],
        decoder_start_token_id=ids["<s>"],
        pad_token_id=ids["<unk>"],
        **_SIZE,
    )
    save(folder, "MoonshineStreamingForConditionalGeneration", config, ids, seed=4, end=2.5)


def write_qwen2_audio(folder: Path) -> None:
    control = ["<|im_start|>", "<|im_end|>", "<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>"]
    ids = write_tokenizer(folder, control)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    config = transformers.Qwen2AudioConfig(
        audio_config={"model_type": "qwen2_audio_encoder", **_WHISPER_LIKE},
        text_config={"model_type": "qwen2", "vocab_size": len(ids), **_SIZE},
        audio_token_id=ids["<|AUDIO|>"],
        audio_token_index=ids["<|AUDIO|>"],
    )
    save(folder, "Qwen2AudioForConditionalGeneration", config, ids, seed=6, end=2.5)


def write_qwen3_asr(folder: Path) -> None:
    control = ["<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_pad|>", "<|audio_end|>"]
    ids = write_tokenizer(folder, [*control, "<asr_text>"])
    transformers.Qwen3ASRFeatureExtractor(feature_size=80).save_pretrained(folder)
    config = transformers.Qwen3ASRConfig(
        audio_config={
            "model_type": "qwen3_asr_encoder",
            **_WHISPER_LIKE,
            "downsample_hidden_size": 8,
            "output_dim": 32,
        },
        text_config={"model_type": "qwen3", "vocab_size": len(ids), **_SIZE},
        audio_token_id=ids["<|audio_pad|>"],
    )
    save(folder, "Qwen3ASRForConditionalGeneration", config, ids, seed=3, end=1.5)


def write_granite_speech(folder: Path) -> None:
    template = (
        "{% for m in messages %}USER: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
    )
    ids = write_tokenizer(folder, ["<|audio|>"], chat_template=template)
    transformers.GraniteSpeechFeatureExtractor().save_pretrained(folder)
    config = transformers.GraniteSpeechConfig(
        encoder_config={
            "input_dim": 160,
            "num_layers": 2,
            "hidden_dim": 32,
            "feedforward_mult": 2,
            "num_heads": 2,
            "dim_head": 16,
            "output_dim": 24,
            "context_size": 50,
        },
        projector_config={
            "model_type": "blip_2_qformer",
            "hidden_size": 32,
            "encoder_hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "initializer_range": 0.3,
        },
        text_config={
            "model_type": "granite",
            "vocab_size": len(ids),
            **{name: value for name, value in _SIZE.items() if name != "head_dim"},
        },
        audio_token_id=ids["<|audio|>"],
        audio_token_index=ids["<|audio|>"],
        has_lora_adapter=False,
    )
    save(folder, "GraniteSpeechForConditionalGeneration", config, ids, seed=3, end=2.5)


def write_voxtral(folder: Path) -> None:
    control = ["[INST]", "[/INST]", "[BEGIN_AUDIO]", "[AUDIO]", "[TRANSCRIBE]"]
    ids = write_tokenizer(folder, control)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    config = transformers.VoxtralConfig(
        audio_config={
            "model_type": "voxtral_encoder",
            "num_mel_bins": 80,
            "hidden_size": 32,
            "intermediate_size": 128,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "initializer_range": 0.3,
        },
        text_config={"model_type": "llama", "vocab_size": len(ids), **_SIZE},
        audio_token_id=ids["[AUDIO]"],
        hidden_size=32,
    )
    save(folder, "VoxtralForConditionalGeneration", config, ids, seed=3, end=1.6)


def write_voxtral_realtime(folder: Path, *, n_delay_tokens: int = 6) -> None:
    """With the tokenizer in Mistral's own form, as such models come."""
    control = ["<unk>", "<s>", ENDS, "<pad>", "[STREAMING_PAD]", "[STREAMING_WORD]"]
    pieces = [bytes([byte]) for byte in range(256)] + [f" {word}".encode() for word in WORDS]
    tokenizer = {
        "config": {
            "pattern": r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|\s+",
            "default_vocab_size": len(control) + len(pieces),
            "default_num_special_tokens": len(control),
            "version": "v13",
        },
        "vocab": [
            {"rank": rank, "token_bytes": base64.b64encode(piece).decode()}
            for rank, piece in enumerate(pieces)
        ],
        "special_tokens": [
            {"rank": rank, "token_str": name, "is_control": True}
            for rank, name in enumerate(control)
        ],
        "audio": {
            "frame_rate": 12.5,
            "transcription_delay_ms": 80.0 * n_delay_tokens,
            "streaming_n_left_pad_tokens": 4,
        },
    }
    (folder / "tekken.json").write_text(json.dumps(tokenizer))
    transformers.VoxtralRealtimeFeatureExtractor(feature_size=80).save_pretrained(folder)
    config = transformers.VoxtralRealtimeConfig(
        audio_config={
            "model_type": "voxtral_realtime_encoder",
            **_SIZE,
            "num_mel_bins": 80,
        },
        text_config={
            "model_type": "voxtral_realtime_text",
            "vocab_size": len(control) + len(pieces),
            **_SIZE,
        },
    )
    ids = {name: number for number, name in enumerate(control)}
    torch.manual_seed(1)
    model = transformers.VoxtralRealtimeForConditionalGeneration(config)
    head = model.get_output_embeddings().weight
    with torch.no_grad():
        # Words are rarer than what stands between them.
        head[len(control) : -len(WORDS)] *= 0.2
        for mark in ("[STREAMING_PAD]", "[STREAMING_WORD]"):
            head[ids[mark]] *= 6
    model.save_pretrained(folder)


MOONSHINES: Final[dict[str, Callable[[Path], None]]] = {
    "moonshine": write_moonshine,
    "moonshine_streaming": write_moonshine_streaming,
}
"""Which the project runs itself."""
WRITERS: Final[dict[str, Callable[[Path], None]]] = {
    "granite_speech": write_granite_speech,
    "qwen2_audio": write_qwen2_audio,
    "qwen3_asr": write_qwen3_asr,
    "voxtral": write_voxtral,
    "whisper": write_whisper,
}
