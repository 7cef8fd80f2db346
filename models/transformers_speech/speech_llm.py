"""Speech LLMs: language models that hear, such as Qwen3-ASR, Qwen2-Audio, Granite Speech, Voxtral.

The sound stands in the prompt as so many embeddings; before or behind them stand the context,
what was said before, and the emotion in the voice. The transcript is its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch

from streamer.audio.arrays import Floats
from streamer.models.transformers_speech.contract import (
    CachedDecoding,
    Loaded,
    Passed,
    Prompt,
    WindowAudio,
    window_audio,
)

TASK: Final = "Transcribe the speech word for word. Answer with the transcript only."


class SpeechLlmKind:
    """What the kinds share: they differ in features, encoder and prompt."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._audio_token = str(
            loaded.tokenizer.convert_ids_to_tokens(loaded.model.config.audio_token_id)
        )

    def encode(self, sound: Floats, n_samples: int) -> WindowAudio:
        """See `streamer.models.transformers_speech.contract.SpeechKind`."""
        states = self._embed(sound)
        states = states.reshape(-1, states.shape[-1])
        return window_audio(states, n_samples, len(sound) / len(states))

    def begin(self, audio: WindowAudio, prompt: Prompt) -> LlmDecoding:
        """See `streamer.models.transformers_speech.contract.SpeechKind`."""
        before, after = self._prompt_text(prompt).split(self._audio_token)
        sound = self._loaded.place(audio.states)[None]
        return LlmDecoding(
            self._loaded, torch.cat([self._embedded(before), sound, self._embedded(after)], dim=1)
        )

    def _embed(self, sound: Floats) -> torch.Tensor:
        """The sound as the language model's embeddings."""
        features = self._loaded.features(sound)
        embeddings: torch.Tensor = self._loaded.model.get_audio_features(
            features["input_features"], return_dict=True
        ).pooler_output
        return embeddings

    def _prompt_text(self, prompt: Prompt) -> str:
        """The whole prompt, with the audio token where the sound belongs."""
        raise NotImplementedError

    def _embedded(self, text: str) -> torch.Tensor:
        ids = self._loaded.tokenizer.encode(text, add_special_tokens=False)
        table = self._loaded.model.get_input_embeddings()
        embedded: torch.Tensor = table(
            torch.tensor([ids], dtype=torch.long, device=self._loaded.device)
        )
        return embedded


class Qwen3AsrKind(SpeechLlmKind):
    """Its system prompt is made for context. The language is named in the answer's beginning."""

    def _embed(self, sound: Floats) -> torch.Tensor:
        features = self._loaded.features(sound, padding=True, return_attention_mask=True)
        embeddings: torch.Tensor = self._loaded.model.get_audio_features(
            features["input_features"], features["attention_mask"], return_dict=True
        ).pooler_output
        return embeddings

    def _prompt_text(self, prompt: Prompt) -> str:
        return (
            f"<|im_start|>system\n{prompt.instruction}<|im_end|>\n"
            f"<|im_start|>user\n<|audio_start|>{self._audio_token}<|audio_end|><|im_end|>\n"
            "<|im_start|>assistant\nlanguage English<asr_text>"
        )


class Qwen2AudioKind(SpeechLlmKind):
    """Hears half a minute; what is silence put behind is left out of the prompt."""

    def _embed(self, sound: Floats) -> torch.Tensor:
        loaded, model = self._loaded, self._loaded.model.model
        features = loaded.features(sound, padding="max_length", return_attention_mask=True)
        n_unpadded = (int(features["attention_mask"].sum()) - 1) // 2 + 1
        n_states = model.config.audio_config.max_source_positions
        closed = torch.arange(n_states, device=loaded.device) >= n_unpadded
        mask = torch.zeros(n_states, dtype=loaded.model.dtype, device=loaded.device)
        mask = mask.masked_fill(closed, torch.finfo(mask.dtype).min)
        states = model.audio_tower(
            features["input_features"], attention_mask=mask.expand(1, 1, n_states, -1)
        ).last_hidden_state
        embeddings: torch.Tensor = model.multi_modal_projector(states)
        # A pooling halves the states.
        return embeddings[:, : (n_unpadded - 2) // 2 + 1]

    def _prompt_text(self, prompt: Prompt) -> str:
        instruction = "\n".join(part for part in (prompt.instruction, TASK) if part)
        return (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            f"<|im_start|>user\nAudio 1: <|audio_bos|>{self._audio_token}<|audio_eos|>\n"
            f"{instruction}<|im_end|>\n<|im_start|>assistant\n"
        )


class GraniteSpeechKind(SpeechLlmKind):
    """Its prompt's form changes with its version: the folder's chat template knows."""

    def _embed(self, sound: Floats) -> torch.Tensor:
        # This extractor knows no options.
        features = self._loaded.extractor(sound)["input_features"]
        embeddings: torch.Tensor = self._loaded.model.get_audio_features(
            self._loaded.place(features), return_dict=True
        ).pooler_output
        return embeddings

    def _prompt_text(self, prompt: Prompt) -> str:
        task = "can you transcribe the speech into a written format?"
        instruction = "\n".join(part for part in (prompt.instruction, task) if part)
        text: str = self._loaded.tokenizer.apply_chat_template(
            [{"role": "user", "content": f"{self._audio_token}{instruction}"}],
            tokenize=False,
            add_generation_prompt=True,
        )
        return text


class VoxtralKind(SpeechLlmKind):
    """Hears half minutes. With nothing known it is asked for a transcript in the way made for
    that, which has no room for a text; else as in a conversation."""

    def _embed(self, sound: Floats) -> torch.Tensor:
        extractor = self._loaded.extractor
        features = self._loaded.features(
            sound, padding=True, truncation=False, pad_to_multiple_of=extractor.n_samples
        )["input_features"]
        chunks = features.reshape(extractor.feature_size, -1, extractor.nb_max_frames)
        embeddings: torch.Tensor = self._loaded.model.get_audio_features(
            chunks.transpose(0, 1), return_dict=True
        ).pooler_output
        return embeddings

    def _prompt_text(self, prompt: Prompt) -> str:
        sound = f"<s>[INST][BEGIN_AUDIO]{self._audio_token}"
        if not prompt.instruction:
            return f"{sound}[/INST]lang:en[TRANSCRIBE]"
        return f"{sound}{prompt.instruction}\n{TASK}[/INST]"


class LlmDecoding(CachedDecoding):
    """See `streamer.models.transformers_speech.contract.Decoding`."""

    def __init__(self, loaded: Loaded, prompt: torch.Tensor) -> None:
        """`prompt [1, T, D]`: embedded."""
        super().__init__(loaded)
        self._table: Any = loaded.model.get_input_embeddings()
        self._prompt: torch.Tensor | None = prompt

    def feed(self, rows: Sequence[Sequence[int]], n_scored: int) -> Passed:
        fed = self._table(torch.tensor(rows, dtype=torch.long, device=self._loaded.device))
        if self._prompt is not None:
            fed = torch.cat([self._prompt, fed], dim=1)
            self._prompt = None
        output = self._decoder(inputs_embeds=fed, past_key_values=self._cache, use_cache=True)
        self._cache = output.past_key_values
        return Passed(self._head(output.last_hidden_state[:, -n_scored:]).float(), None)
