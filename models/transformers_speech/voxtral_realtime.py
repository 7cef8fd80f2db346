"""Voxtral Realtime: a speech LLM in step with the sound.

Every 80 ms of sound it gives one token, some time behind what it hears: a piece of a word, the
mark of a word, or padding. So words carry their time, and what was given must stand somewhere in
the stream: while given words are due, the model only chooses when they come.

It reads no prompt and knows no alternatives.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from streamer.audio.arrays import Floats
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES, Tokenizer
from streamer.models.transformers_speech.contract import (
    Continuation,
    FoundToken,
    Loaded,
    Prompt,
    WindowAudio,
    window_audio,
)
from streamer.models.transformers_speech.tokenizer import spoken_tokenizer, textless

TOKENIZER_FILE: Final = "tekken.json"
FLUSH_TOKENS: Final = 10
"""A word may take so many tokens after it was heard; silence makes room for them."""
REMEMBERED: Final = 64
"""Streams that are kept as guesses of those to come."""


@dataclass(frozen=True)
class RealtimeSettings:
    """How the stream begins."""

    n_left_tokens: int = 32
    """Silence before the sound."""
    n_delay_tokens: int = 6
    """How far the text is behind the sound."""

    @classmethod
    def read(cls, folder: Path, default_delay: int) -> RealtimeSettings:
        """From the tokenizer's file, as far as it tells."""
        path = folder / TOKENIZER_FILE
        audio = json.loads(path.read_text()).get("audio", {}) if path.is_file() else {}
        delay_ms = audio.get("transcription_delay_ms")
        frame_ms = 1_000 / audio.get("frame_rate", 12.5)
        return cls(
            n_left_tokens=audio.get("streaming_n_left_pad_tokens", cls.n_left_tokens),
            n_delay_tokens=default_delay if delay_ms is None else round(delay_ms / frame_ms),
        )


class RealtimeSpeech:
    """A `streamer.models.transformers_speech.contract.SpeechModel`."""

    def __init__(self, name: str, loaded: Loaded, settings: RealtimeSettings) -> None:
        self.name = name
        self.tokenizer: Tokenizer = spoken_tokenizer(loaded.tokenizer)
        self._loaded = loaded
        self._settings = settings
        config = loaded.model.config
        self._token_samples: int = config.audio_length_per_tok * loaded.extractor.hop_length
        control = loaded.tokenizer.convert_tokens_to_ids
        self._marks = (control("[STREAMING_PAD]"), control("[STREAMING_WORD]"))
        n_before = settings.n_left_tokens + settings.n_delay_tokens
        self._prompt = [control("<s>"), *[self._marks[0]] * n_before]
        n_tokens = config.get_text_config().vocab_size
        closed = textless(self.tokenizer, n_tokens)
        closed[list(self._marks)] = False
        self._closed = torch.tensor(closed, device=loaded.device)
        self._streams: OrderedDict[tuple[int, ...], list[int]] = OrderedDict()
        """By the text in them, the newest streams: guesses, nothing else."""

    @torch.inference_mode()
    def encode(self, sound: Floats, n_samples: int) -> WindowAudio:
        settings, size = self._settings, self._token_samples
        n_tokens = math.ceil(len(sound) / size) + settings.n_delay_tokens + 1 + FLUSH_TOKENS
        padded = np.zeros((settings.n_left_tokens + n_tokens) * size, np.float32)
        start = settings.n_left_tokens * size
        padded[start : start + len(sound)] = sound
        features = self._loaded.features(padded)["input_features"]
        states = self._loaded.model.get_audio_features(
            features, use_cache=False, return_dict=True
        ).pooler_output[0]
        return window_audio(states, n_samples, size)

    @torch.inference_mode()
    def draft(
        self,
        audio: WindowAudio,
        prompt: Prompt,
        given: Sequence[int],
        guess: Sequence[int],
        max_tokens: int,
    ) -> Continuation:
        model = self._loaded.model.model
        sound = self._loaded.place(audio.states)[None]
        delay = torch.full((1,), self._settings.n_delay_tokens).to(sound)
        condition = model.time_embedding(delay)[None]
        stream = list(self._prompt)
        likely = self._streams.get((*given, *guess), [])
        fed = [*stream, *likely][: sound.shape[1] - 1]
        cache: Any = None
        n_given = 0
        found: list[FoundToken] = []
        while len(stream) < sound.shape[1]:
            n_past = 0 if cache is None else cache.get_seq_length()
            ids = torch.tensor([fed], device=self._loaded.device)
            states = sound[:, n_past : n_past + len(fed)]
            output = model.language_model(
                inputs_embeds=model.get_input_embeddings()(ids) + states,
                past_key_values=cache,
                use_cache=True,
                t_cond=condition,
            )
            cache = output.past_key_values
            n_fed = n_past + len(fed)
            logits = self._loaded.model.lm_head(
                output.last_hidden_state[0, len(stream) - 1 - n_past :]
            )
            for row in logits.float():
                if n_given < len(given):
                    open_ids = [*self._marks, given[n_given]]
                    token = open_ids[int(row[open_ids].argmax())]
                    n_given += token == given[n_given]
                else:
                    scores = row.masked_fill(self._closed, -torch.inf).log_softmax(dim=-1)
                    token = int(scores.argmax())
                    if token not in self._marks:
                        if len(found) == max_tokens:
                            return _continuation(found, ended=False)
                        frame = self._frame(len(stream), audio.n_samples)
                        found.append(FoundToken(token, float(scores[token]), frame))
                stream.append(token)
                if len(stream) > n_fed or stream[-1] != fed[len(stream) - 1 - n_past]:
                    break
            cache.crop(-(n_fed - len(stream) + 1))
            fed = stream[-1:]
        self._remember((*given, *(each.id for each in found)), stream[len(self._prompt) :])
        return _continuation(found, ended=True)

    def beam_search(
        self,
        audio: WindowAudio,
        prompt: Prompt,
        given: Sequence[int],
        width: int,
        max_tokens: int,
    ) -> list[Continuation]:
        return []

    def score(
        self,
        audio: WindowAudio,
        prompt: Prompt,
        given: Sequence[int],
        proposals: Sequence[Sequence[int]],
    ) -> list[Continuation]:
        return []

    def _frame(self, at: int, n_samples: int) -> int:
        """Where the sound of the stream's token `at` is."""
        behind = self._settings.n_left_tokens + self._settings.n_delay_tokens
        sample = (at - behind) * self._token_samples
        return max(0, min(sample, n_samples)) // FRAME_SAMPLES

    def _remember(self, text: tuple[int, ...], stream: list[int]) -> None:
        self._streams[text] = stream
        self._streams.move_to_end(text)
        if len(self._streams) > REMEMBERED:
            self._streams.popitem(last=False)


def _continuation(found: Sequence[FoundToken], *, ended: bool) -> Continuation:
    return Continuation(tuple(found), ended, sum(token.logprob for token in found))
