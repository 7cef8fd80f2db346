"""What our streaming decoders say of a whole recording is what the library itself says of it, from
the sound to the last token: features, masks, prompts and places are the models' own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import AutoFeatureExtractor, AutoTokenizer

from streamer.audio.arrays import Floats
from streamer.models.transformers_speech.contract import Prompt
from streamer.models.transformers_speech.loading import load_speech_model
from streamer.models.transformers_speech.speech_llm import TASK
from streamer.models.transformers_speech.tokenizer import spoken_tokenizer, textless
from tests.models.tiny_speech import WRITERS, write_voxtral_realtime
from tests.speech_models import Clip

MAX_TOKENS = 24
PROMPT = Prompt(context="Boats.", emotion="sad")


class Library:
    """The model, its extractor and its tokenizer, as the library has them."""

    def __init__(self, folder: Path, class_name: str) -> None:
        self.model: Any = getattr(transformers, class_name).from_pretrained(folder).eval()
        self.extract: Any = AutoFeatureExtractor.from_pretrained(folder)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, mistral_format=False)
        self.tokenizer.pad_token = "<unk>"

    def generate(self, inputs: Any, **options: Any) -> list[int]:
        """Greedily; like ours, it says nothing but text."""
        n_tokens = self.model.get_output_embeddings().weight.shape[0]
        closed = textless(spoken_tokenizer(self.tokenizer), n_tokens)
        known = getattr(self.model.generation_config, "suppress_tokens", None) or []
        ends = self.model.generation_config.eos_token_id
        suppressed = [int(t) for t in np.flatnonzero(closed) if t != ends] + known
        with torch.inference_mode():
            made = self.model.generate(
                **inputs,
                do_sample=False,
                max_new_tokens=MAX_TOKENS,
                suppress_tokens=suppressed,
                **options,
            )
        return [int(token) for token in made[0] if token != ends]


def whisper(folder: Path, sound: Floats) -> list[int]:
    library = Library(folder, "WhisperForConditionalGeneration")
    ids = library.tokenizer.encode
    config = library.model.generation_config
    config.lang_to_id = {"<|en|>": ids("<|en|>", add_special_tokens=False)[0]}
    config.task_to_id = {"transcribe": ids("<|transcribe|>", add_special_tokens=False)[0]}
    config.no_timestamps_token_id = ids("<|notimestamps|>", add_special_tokens=False)[0]
    config.prev_sot_token_id = ids("<|startofprev|>", add_special_tokens=False)[0]
    said = ids(f"<|startofprev|> {PROMPT.transcript}", add_special_tokens=False)
    features = library.extract(sound, sampling_rate=16_000, return_tensors="pt")
    return library.generate(
        {"input_features": features["input_features"]},
        language="en",
        task="transcribe",
        prompt_ids=torch.tensor(said),
    )


def qwen2_audio(folder: Path, sound: Floats) -> list[int]:
    library = Library(folder, "Qwen2AudioForConditionalGeneration")
    processor = transformers.Qwen2AudioProcessor(library.extract, library.tokenizer)
    task = f"{PROMPT.instruction}\n{TASK}"
    content = [{"type": "audio", "audio_url": "-"}, {"type": "text", "text": task}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    inputs = processor(text=text, audio=sound, sampling_rate=16_000, return_tensors="pt")
    return library.generate(inputs)[inputs["input_ids"].shape[1] :]


def qwen3_asr(folder: Path, sound: Floats) -> list[int]:
    library = Library(folder, "Qwen3ASRForConditionalGeneration")
    library.tokenizer.audio_token = "<|audio_pad|>"
    library.tokenizer.audio_bos_token = "<|audio_start|>"
    library.tokenizer.audio_eos_token = "<|audio_end|>"
    processor = transformers.Qwen3ASRProcessor(library.extract, library.tokenizer)
    text = (
        f"<|im_start|>system\n{PROMPT.instruction}<|im_end|>\n"
        "<|im_start|>user\n<|audio_start|><|audio_pad|><|audio_end|><|im_end|>\n"
        "<|im_start|>assistant\nlanguage English<asr_text>"
    )
    inputs = processor(text=text, audio=sound, sampling_rate=16_000, return_tensors="pt")
    return library.generate(inputs)[inputs["input_ids"].shape[1] :]


def granite_speech(folder: Path, sound: Floats) -> list[int]:
    library = Library(folder, "GraniteSpeechForConditionalGeneration")
    processor = transformers.GraniteSpeechProcessor(library.extract, library.tokenizer)
    task = f"{PROMPT.instruction}\ncan you transcribe the speech into a written format?"
    text = library.tokenizer.apply_chat_template(
        [{"role": "user", "content": f"<|audio|>{task}"}],
        tokenize=False,
        add_generation_prompt=True,
    )
    inputs = processor(text, torch.from_numpy(sound)[None], return_tensors="pt")
    return library.generate(inputs)[inputs["input_ids"].shape[1] :]


def voxtral(folder: Path, sound: Floats) -> list[int]:
    # The library's processor needs a package for Mistral's tokenizers; this is what it does.
    library = Library(folder, "VoxtralForConditionalGeneration")
    padded = np.zeros(30 * 16_000, np.float32)
    padded[: len(sound)] = sound
    features = library.extract(padded, sampling_rate=16_000, return_tensors="pt")
    text = f"{PROMPT.instruction}\n{TASK}"
    ids = library.tokenizer.encode(
        f"<s>[INST][BEGIN_AUDIO]{'[AUDIO]' * 375}{text}[/INST]", add_special_tokens=False
    )
    inputs = {"input_ids": torch.tensor([ids]), "input_features": features["input_features"]}
    return library.generate(inputs)[len(ids) :]


def voxtral_realtime(folder: Path, sound: Floats) -> list[int]:
    library = Library(folder, "VoxtralRealtimeForConditionalGeneration")
    n_left, n_delay, n_right = 4, 6, 6 + 1 + 10
    silence = np.zeros(1_280, np.float32)
    whole = np.append(sound, np.zeros(-len(sound) % 1_280, np.float32))
    padded = np.concatenate([*[silence] * n_left, whole, *[silence] * n_right])
    features = library.extract(padded, sampling_rate=16_000, return_tensors="pt")
    control = library.tokenizer.convert_tokens_to_ids
    marks = [control("[STREAMING_PAD]"), control("[STREAMING_WORD]")]
    ids = [control("<s>"), *[marks[0]] * (n_left + n_delay)]
    n_tokens = library.model.config.text_config.vocab_size
    closed = textless(spoken_tokenizer(library.tokenizer), n_tokens)
    with torch.inference_mode():
        made = library.model.generate(
            input_ids=torch.tensor([ids]),
            input_features=features["input_features"],
            num_delay_tokens=n_delay,
            do_sample=False,
            eos_token_id=-1,
            suppress_tokens=[int(t) for t in np.flatnonzero(closed) if t not in marks],
        )
    return [int(token) for token in made[0][len(ids) :] if token not in marks]


READERS: dict[str, Callable[[Path, Floats], list[int]]] = {
    "granite_speech": granite_speech,
    "qwen2_audio": qwen2_audio,
    "qwen3_asr": qwen3_asr,
    "voxtral": voxtral,
    "voxtral_realtime": voxtral_realtime,
    "whisper": whisper,
}


@pytest.mark.parametrize("kind", sorted(READERS))
def test_a_recording_gives_what_the_library_gives(
    kind: str, tmp_path: Path, clips: list[Clip]
) -> None:
    {**WRITERS, "voxtral_realtime": write_voxtral_realtime}[kind](tmp_path)
    model = load_speech_model(tmp_path)
    n_words = 0
    for start, end in [(0, 20_000), (16_000, 50_000), (40_000, 75_123)]:
        sound = clips[-1].samples[start:end]
        theirs = READERS[kind](tmp_path, sound)
        audio = model.encode(sound, len(sound))
        budget = len(sound) if kind == "voxtral_realtime" else MAX_TOKENS
        found = model.draft(audio, PROMPT, [], [], budget)
        assert [token.id for token in found.tokens] == theirs
        n_words += len(theirs)
    assert n_words > 5
