"""The second listener on a card hears, token for token, what the library makes of each sound."""

from __future__ import annotations

import gc
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.errors import ModelCorruptError, ModelLanguageError, NoRoomError
from tests.models.card.whisper.conftest import hear, load
from tests.models.questions import languages_of, score, times

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

import torch
import transformers

from streamer.models.card.places import NoSlotError
from streamer.models.card.whisper.listener import CardListener
from streamer.models.whisper.contract import (
    Hearing,
    ListenRequest,
)
from streamer.models.whisper.features import LogMel
from tests.models.tiny_whisper import SECONDS, write_listener

TEXTS = ("bal bil", "dom", "gus kat kat bol", "")


class Library:
    """What transformers says, one sound after the other."""

    def __init__(self, folder: Path) -> None:
        library_class: Any = transformers.WhisperForConditionalGeneration
        self.model = library_class.from_pretrained(folder, attn_implementation="eager")
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def features(self, samples: Floats) -> torch.Tensor:
        padded = np.pad(samples, (0, SECONDS * SAMPLE_RATE - len(samples)))
        return torch.from_numpy(LogMel(80)(padded))[None]

    def ids(self, *names: str) -> list[int]:
        found: list[int] = self.tokenizer.convert_tokens_to_ids(list(names))
        return found

    def prompt(self, language: str = "en", said: str = "") -> list[int]:
        control = self.ids(
            "<|startoftranscript|>", f"<|{language}|>", "<|transcribe|>", "<|notimestamps|>"
        )
        return [*control, *self.spell(said)]

    def spell(self, text: str) -> list[int]:
        spaced = f" {text}" if text else ""
        found: list[int] = self.tokenizer.encode(spaced, add_special_tokens=False)
        return found

    def search(self, samples: Floats, width: int, prompt: list[int], most: int) -> Any:
        # The model's own way, not Whisper's, which cuts long sound.
        return transformers.GenerationMixin.generate(
            self.model,
            input_features=self.features(samples),
            decoder_input_ids=torch.tensor([prompt]),
            num_beams=width,
            num_return_sequences=width,
            length_penalty=0.0,
            early_stopping=False,
            max_new_tokens=most,
            do_sample=False,
            renormalize_logits=True,
            return_dict_in_generate=True,
            output_scores=True,
        )

    def forced(self, samples: Floats, tokens: list[int], **more: Any) -> Any:
        with torch.inference_mode():
            return self.model(
                input_features=self.features(samples),
                decoder_input_ids=torch.tensor([tokens]),
                **more,
            )

    def logprobs(self, logits: torch.Tensor) -> torch.Tensor:
        closed = self.model.generation_config.suppress_tokens
        logits = logits.clone()
        logits[..., closed] = -torch.inf
        return logits.log_softmax(-1)


@pytest.fixture(scope="module")
def library(folder: Path) -> Library:
    return Library(folder)


def budget(samples: Floats) -> int:
    return round(16 + 12 * len(samples) / SAMPLE_RATE)


@pytest.mark.parametrize("width", [1, 5])
def test_hypotheses_token_for_token(
    listener: CardListener, library: Library, sounds: list[Floats], width: int
) -> None:
    """All windows at once, of different lengths, behind different words."""
    said = ("", "dom gus", "bal")
    requests = [
        ListenRequest(samples, "en", words, n_best=width, beam_width=width)
        for samples, words in zip(sounds, said, strict=True)
    ]
    lengths = set()
    for hearing, words in zip(hear(listener, requests), said, strict=True):
        samples = hearing.request.samples
        prompt = library.prompt(said=words)
        found = library.search(samples, width, prompt, budget(samples))
        end = library.ids("<|endoftext|>")[0]
        expected = {}
        for at, row in enumerate(found.sequences.tolist()):
            tokens = row[len(prompt) :]
            if end in tokens:
                tokens = tokens[: tokens.index(end)]
                if width > 1:
                    expected[tuple(tokens)] = float(found.sequences_scores[at])
                else:
                    scores = torch.stack(found.scores)[:, 0].max(-1).values
                    expected[tuple(tokens)] = float(scores.sum())
        ours = {each.tokens: each.logprob for each in hearing.hypotheses}
        assert list(ours) == [tokens for tokens in expected if tokens in ours]
        # Different tokens may be the same text, which is told once.
        texts = [library.tokenizer.decode(tokens).strip() for tokens in expected]
        assert [each.text for each in hearing.hypotheses] == list(dict.fromkeys(texts))
        assert ours == pytest.approx({each: expected[each] for each in ours}, abs=1e-3)
        lengths |= {len(tokens) for tokens in ours}
    assert lengths


def test_texts_are_scored_together(
    listener: CardListener, library: Library, sounds: list[Floats]
) -> None:
    (hearing,) = hear(listener, [ListenRequest(sounds[0], "en", "dom")])
    end = library.ids("<|endoftext|>")
    prompt = library.prompt(said="dom")
    expected = []
    for text in TEXTS:
        tokens = [*library.spell(text), *end]
        logits = library.forced(sounds[0], [*prompt, *tokens[:-1]]).logits[0, len(prompt) - 1 :]
        logprobs = library.logprobs(logits)
        expected.append(float(logprobs.gather(1, torch.tensor(tokens)[:, None]).sum()))
    assert score(listener, hearing, TEXTS) == pytest.approx(expected, abs=1e-3)
    assert score(listener, hearing, []) == []
    assert score(listener, hearing, ["bal (bil"]) == [-math.inf]


def test_words_begin_where_attention_moves(
    listener: CardListener, library: Library, sounds: list[Floats]
) -> None:
    from transformers.models.whisper.generation_whisper import (
        _dynamic_time_warping,
        _median_filter,
    )

    samples, said, text = sounds[0], "dom", "bal bil gus kat"
    (hearing,) = hear(listener, [ListenRequest(samples, "en", said)])
    timed = times(listener, hearing, text)
    prompt = library.prompt()
    spelled = [*library.spell(said), *library.spell(text)]
    found = library.forced(samples, [*prompt, *spelled], output_attentions=True)
    heads = [found.cross_attentions[layer][0, head] for layer, head in ((0, 1), (1, 0))]
    weights = torch.stack(heads)[:, len(prompt) - 1 :, : len(samples) // 320]
    spread, mean = torch.std_mean(weights, dim=-2, keepdim=True, correction=0)
    smooth = _median_filter((weights - mean) / spread, 7).mean(0)
    rows, columns = _dynamic_time_warping(-smooth.double().numpy())
    begins = [int(columns[list(rows).index(row)]) for row in range(len(spelled) + 1)]
    first = len(library.spell(said))
    names = library.tokenizer.convert_ids_to_tokens(spelled)
    starts = [at for at in range(first, len(names)) if names[at].startswith("Ġ")]
    assert [word.text for word in timed] == text.split()
    assert [word.start_s for word in timed] == pytest.approx([begins[at] * 0.02 for at in starts])
    assert [word.end_s for word in timed[:-1]] == [word.start_s for word in timed[1:]]
    logprobs = library.logprobs(found.logits[0])
    rows = torch.arange(starts[-1], len(spelled)) + len(prompt) - 1
    last = logprobs[rows, torch.tensor(spelled[starts[-1] :])].mean().exp()
    assert timed[-1].probability == pytest.approx(float(last), abs=1e-4)
    assert times(listener, hearing, "") == []


def test_the_language_and_whether_anybody_speaks(
    listener: CardListener, library: Library, sounds: list[Floats]
) -> None:
    start = library.ids("<|startoftranscript|>")
    logits = library.forced(sounds[0], start).logits[0, 0]
    codes = ("en", "de", "fr")
    shares = logits[library.ids(*(f"<|{code}|>" for code in codes))].softmax(-1).tolist()
    found = dict(languages_of(listener, sounds[0]))
    assert found == pytest.approx(dict(zip(codes, shares, strict=True)), abs=1e-4)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    (hearing,) = hear(listener, [ListenRequest(sounds[0], "en")])
    no_speech = float(logits.softmax(-1)[library.ids("<|nospeech|>")])
    assert hearing.no_speech == pytest.approx(no_speech, abs=1e-5)
    assert listener.languages == set(codes)


def test_a_place_is_kept_as_long_as_its_hearing(folder: Path, sounds: list[Floats]) -> None:
    listener = load(folder, n_sessions=1)
    request = ListenRequest(sounds[1], "en")
    kept = hear(listener, [request, request])
    (refused,) = listener.hear([request])
    assert isinstance(refused, NoSlotError)
    before = score(listener, kept[0], TEXTS)
    del kept[1]
    gc.collect()
    hear(listener, [ListenRequest(sounds[2][:30_000], "en")])
    assert score(listener, kept[0], TEXTS) == before


def test_memory_that_does_not_suffice_is_told_to_one_alone(
    folder: Path, sounds: list[Floats], monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = load(folder)
    requests = [ListenRequest(samples, "en") for samples in sounds]
    expected = [each.hypotheses for each in hear(listener, requests)]
    inner = listener._network.states

    def short_of_memory(samples: torch.Tensor) -> torch.Tensor:
        if any(torch.equal(row[:100], torch.from_numpy(sounds[1][:100])) for row in samples):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return inner(samples)

    monkeypatch.setattr(listener._network, "states", short_of_memory)
    first, second, third = listener.hear(requests)
    assert isinstance(second, NoRoomError)
    assert isinstance(first, Hearing)
    assert isinstance(third, Hearing)
    for found, wanted in ((first, expected[0]), (third, expected[2])):
        assert [each.tokens for each in found.hypotheses] == [each.tokens for each in wanted]


def test_what_cannot_be_heard(listener: CardListener) -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    with pytest.raises(ModelLanguageError, match="knows no language 'xx'"):
        listener.hear([ListenRequest(silence, "xx")])
    with pytest.raises(ValueError, match="longer than 30 s can hold"):
        listener.hear([ListenRequest(silence, "en", "bal " * 500)])
    (hearing,) = hear(listener, [ListenRequest(silence, "en")])
    with pytest.raises(ValueError, match="longer than 30 s can hold"):
        score(listener, hearing, ["bal " * 500])
    assert listener.hear([]) == []


def test_one_that_knows_english_alone(tmp_path: Path, sounds: list[Floats]) -> None:
    write_listener(tmp_path, multilingual=False)
    listener = load(tmp_path)
    assert listener.languages == {"en"}
    assert languages_of(listener, sounds[0]) == [("en", 1.0)]


def test_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelCorruptError, match="is no Whisper, but of the kind bert"):
        load(tmp_path)
