"""Whisper. Tokens get their time from the decoder's cross-attention; what was said before is read
as it learned to."""

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

MAX_PROMPT_TOKENS: Final = 128
_TASK: Final = ("<|en|>", "<|transcribe|>")


class WhisperKind:
    """It hears half a minute, mostly silence, whatever there is to hear."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._encoder: Any = loaded.model.get_encoder()
        self._start = int(
            loaded.model.generation_config.decoder_start_token_id
            or loaded.model.config.decoder_start_token_id
        )

    def encode(self, sound: Floats, n_samples: int) -> WindowAudio:
        """See `streamer.models.transformers_speech.contract.SpeechKind`."""
        states = self._encoder(**self._loaded.features(sound)).last_hidden_state[0]
        return window_audio(states, n_samples, self._loaded.extractor.n_samples / len(states))

    def begin(self, audio: WindowAudio, prompt: Prompt) -> WhisperDecoding:
        """See `streamer.models.transformers_speech.contract.SpeechKind`."""
        return WhisperDecoding(self._loaded, audio, self._prompt_tokens(prompt))

    def _prompt_tokens(self, prompt: Prompt) -> list[int]:
        tokenizer = self._loaded.tokenizer
        control = tokenizer.convert_tokens_to_ids
        tokens = [self._start]
        if getattr(self._loaded.model.generation_config, "is_multilingual", True):
            tokens += [control(name) for name in _TASK]
        tokens.append(control("<|notimestamps|>"))
        if not prompt.transcript:
            return tokens
        before = tokenizer.encode(f" {prompt.transcript}", add_special_tokens=False)
        return [control("<|startofprev|>"), *before[-MAX_PROMPT_TOKENS:], *tokens]


class WhisperDecoding(CachedDecoding):
    """See `streamer.models.transformers_speech.contract.Decoding`."""

    def __init__(self, loaded: Loaded, audio: WindowAudio, prompt: Sequence[int]) -> None:
        super().__init__(loaded)
        self._prompt = prompt
        self._states = loaded.place(audio.states)[None]
        self._named_heads: Sequence[Sequence[int]] = (
            getattr(loaded.model.generation_config, "alignment_heads", None) or ()
        )

    def feed(self, rows: Sequence[Sequence[int]], n_scored: int) -> Passed:
        fed = torch.tensor([[*self._prompt, *row] for row in rows], device=self._loaded.device)
        self._prompt = ()
        output = self._decoder(
            input_ids=fed,
            # A copy: some decoders write into it.
            encoder_hidden_states=self._states.repeat(len(rows), 1, 1),
            past_key_values=self._cache,
            use_cache=True,
            output_attentions=True,
        )
        self._cache = output.past_key_values
        logits = self._head(output.last_hidden_state[:, -n_scored:])
        attention = _following(output.cross_attentions, self._named_heads)[:, -n_scored:]
        return Passed(logits.float(), attention)


def _following(attentions: Sequence[torch.Tensor], named: Sequence[Sequence[int]]) -> torch.Tensor:
    """The mean `[B, L, S]` of the cross-attentions (a layer's: `[B, H, L, S]`) that follow the
    speech: those of the `named` (layer, head), or all of the upper half of the layers, which is
    what Whisper takes where nothing is known."""
    if named:
        heads = torch.stack([attentions[layer][:, head] for layer, head in named], dim=1)
    else:
        heads = torch.cat(list(attentions[len(attentions) // 2 :]), dim=1)
    return heads.float().mean(dim=1)
