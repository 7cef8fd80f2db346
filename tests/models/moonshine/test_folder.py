"""Any Moonshine from a folder says what the transformers library says of it, token for token."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch
import transformers

from streamer.audio.arrays import Floats
from streamer.decoding.beam import BeamRequest, ScoreRequest
from streamer.decoding.draft import DraftRequest, Prefix
from streamer.decoding.loading import VAD_FILE, load_moonshine
from streamer.decoding.speech import SpeechModels
from streamer.models.errors import ModelCorruptError, ModelError, ModelMissingError
from streamer.models.moonshine.config import WINDOW_SAMPLES, WINDOWED_FRAME_SAMPLES, read_config
from streamer.models.moonshine.encoder import MIN_SAMPLES, EncodedAudio
from streamer.models.moonshine.tokenizer import BOS, EOS
from streamer.models.moonshine.windowed_encoder import WindowedEncoder
from streamer.models.silero import VadModel
from streamer.models.store.catalog import SILERO
from streamer.models.store.zoo import Zoo
from streamer.transcript.wer import word_errors
from tests.models.real_moonshine import write_real_moonshine
from tests.models.tiny_speech import write_moonshine, write_moonshine_streaming
from tests.speech_models import Clip, greedy

MAX_TOKENS: Final = 24
WRITERS: Final[dict[str, Callable[[Path], None]]] = {
    "moonshine": write_moonshine,
    "moonshine_streaming": write_moonshine_streaming,
    "moonshine_streaming of two widths": partial(
        write_moonshine_streaming, hidden_size=40, head_dim=20
    ),
}


def load(folder: Path, cache: Path, *, integer: bool = False) -> SpeechModels:
    zoo = Zoo(cache)
    vad = VadModel(Zoo().path(SILERO.name, VAD_FILE))
    return load_moonshine(folder, "the model", zoo, vad, integer=integer)


@dataclass(frozen=True)
class Both:
    """A random model, ours and the library's."""

    folder: Path
    ours: SpeechModels
    theirs: Any

    def encode(self, samples: Floats) -> Floats:
        """The library's states `[S, D]`."""
        inputs = torch.from_numpy(samples)[None]
        # Without a mask the library forgets about windows.
        mask = torch.ones_like(inputs, dtype=torch.int64)
        with torch.inference_mode():
            output = self.theirs.get_encoder()(inputs, attention_mask=mask)
        found: Floats = output.last_hidden_state[0].numpy()
        return found

    def generate(self, samples: Floats) -> list[int]:
        inputs = torch.from_numpy(samples)[None]
        mask = torch.ones_like(inputs, dtype=torch.int64)
        with torch.inference_mode():
            made = self.theirs.generate(
                inputs, attention_mask=mask, do_sample=False, max_new_tokens=MAX_TOKENS
            )
        return [int(token) for token in made[0][1:] if token != EOS]


@pytest.fixture(scope="module", params=sorted(WRITERS))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder = tmp_path_factory.mktemp(request.param)
    WRITERS[request.param](folder)
    ours = load(folder, tmp_path_factory.mktemp("cache"))
    kind = "MoonshineStreaming" if ours.encoder.frame_samples == 320 else "Moonshine"
    library_class = getattr(transformers, f"{kind}ForConditionalGeneration")
    theirs = library_class.from_pretrained(folder).eval()
    return Both(folder, ours, theirs)


def whole(models: SpeechModels, samples: Floats) -> EncodedAudio:
    stream = models.encoder.open_stream()
    models.encoder.listen(stream, samples)
    audio = models.encoder.audio(stream)
    assert isinstance(audio, EncodedAudio)
    return audio


def parts(samples: Floats, sizes: Sequence[int]) -> list[Floats]:
    return [part for part in np.split(samples, np.cumsum(sizes)) if len(part)]


def test_a_recording_gives_what_the_library_gives(both: Both, clips: list[Clip]) -> None:
    n_words = 0
    for start, n_frames in [(0, 50), (16_000, 90), (40_000, 95)]:
        # Whole frames of either kind: what is left over counts in the library's group norm.
        samples = clips[-1].samples[start : start + MIN_SAMPLES + 1_920 * (n_frames // 5)]
        if both.ours.encoder.frame_samples == WINDOWED_FRAME_SAMPLES:
            samples = samples[: len(samples) // WINDOW_SAMPLES * WINDOW_SAMPLES]
        audio = whole(both.ours, samples)
        np.testing.assert_allclose(audio.states, both.encode(samples), atol=2e-4)
        expected = both.generate(samples)
        assert greedy(both.ours, audio, MAX_TOKENS) == expected
        draft = both.ours.draft(DraftRequest(audio, Prefix(), (), MAX_TOKENS))
        assert [token.id for token in draft.tokens] == expected
        n_words += len(expected)
    assert n_words > 5


def test_a_beam_is_scored_as_it_was_found(both: Both, clips: list[Clip]) -> None:
    # Noise does not always come to an end.
    for start in range(0, 100_000, 10_000):
        audio = whole(both.ours, clips[-1].samples[start : start + 20_000])
        found = both.ours.beam_search(BeamRequest(audio, Prefix(), 4, 50.0, 40))
        if len(found) > 1:
            break
    assert len(found) > 1
    ids = [[token.id for token in each.tokens] for each in found]
    judged = both.ours.score(ScoreRequest(audio, Prefix(), ids))
    for one, other in zip(found, judged, strict=True):
        assert other.logprob == pytest.approx(one.logprob, abs=1e-3)
        assert [token.frame for token in other.tokens] == [token.frame for token in one.tokens]
    frames = [token.frame for each in found for token in each.tokens]
    assert 0 <= min(frames) <= max(frames) < audio.n_frames


def test_eight_bits_hear_about_the_same(both: Both, clips: list[Clip], tmp_path: Path) -> None:
    rounded = load(both.folder, tmp_path, integer=True)
    samples = clips[-1].samples[:20_000]
    exact, audio = whole(both.ours, samples), whole(rounded, samples)
    # Layers so narrow feel it more than real ones.
    assert np.abs(audio.states - exact.states).mean() < 0.2 * np.abs(exact.states).mean()
    said = [token.id for token in both.ours.draft(DraftRequest(exact, Prefix(), (), 12)).tokens]
    one, other = (
        models.score(ScoreRequest(exact, Prefix(), [said]))[0] for models in (both.ours, rounded)
    )
    assert other.logprob == pytest.approx(one.logprob, rel=0.1)


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder = tmp_path_factory.mktemp("windowed")
    write_moonshine_streaming(folder)
    theirs = transformers.MoonshineStreamingForConditionalGeneration.from_pretrained(folder)
    return Both(folder, load(folder, tmp_path_factory.mktemp("cache")), theirs.eval())


@pytest.mark.parametrize("sizes", [[4_096] * 20, [100, 3, 9_000, 77, 20_000, 320, 319, 1]])
def test_a_state_that_has_heard_enough_is_that_of_the_whole_utterance(
    streaming: Both, clips: list[Clip], sizes: list[int]
) -> None:
    samples = clips[-1].samples[: 80 * 800]
    expected = streaming.encode(samples)
    encoder = streaming.ours.encoder
    assert isinstance(encoder, WindowedEncoder)
    look_ahead = read_config(streaming.folder / "config.json", "").look_ahead
    stream, n_settled = encoder.open_stream(), 0
    for part in parts(samples, sizes):
        encoder.listen(stream, part)
        audio = encoder.audio(stream, n_silent=1_600)
        assert audio is not None
        heard = len(stream.features) - look_ahead
        assert stream.n_settled == max(0, heard)
        np.testing.assert_allclose(
            audio.states[: stream.n_settled], expected[: stream.n_settled], atol=2e-4
        )
        # What has settled is not computed again.
        assert stream.settled.shape[2] <= 15
        assert stream.n_settled >= n_settled
        n_settled = stream.n_settled
    assert n_settled > 150
    # And the newest are those of an utterance that ends here.
    found = encoder.audio(stream)
    assert found is not None
    np.testing.assert_allclose(found.states, expected, atol=2e-4)
    alone = whole(streaming.ours, samples)
    np.testing.assert_allclose(found.cross_kv, alone.cross_kv, atol=2e-4)


def test_forgotten_frames_move_the_places_of_the_others(streaming: Both, clips: list[Clip]) -> None:
    """The library can be made to forget as well: by its states, from which it decodes."""
    samples = clips[-1].samples[: 80 * 800]
    encoder = streaming.ours.encoder
    stream = encoder.open_stream()
    *heard, rest = parts(samples, [4_096] * 9)
    for part in heard:
        encoder.listen(stream, part)
        encoder.audio(stream)
    encoder.forget(stream, 60)
    encoder.listen(stream, rest)
    audio = encoder.audio(stream)
    assert isinstance(audio, EncodedAudio)
    states = torch.from_numpy(streaming.encode(samples)[60:])[None]
    np.testing.assert_allclose(audio.states, states[0], atol=2e-4)
    ids = torch.tensor([[BOS]])
    with torch.inference_mode():
        output = streaming.theirs.model.decoder(input_ids=ids, encoder_hidden_states=states.clone())
        logits = streaming.theirs.proj_out(output.last_hidden_state)[0, -1]
    first = streaming.ours.draft(DraftRequest(audio, Prefix(), (), 1)).tokens[0]
    assert first.id == int(logits.argmax())
    assert first.logprob == pytest.approx(float(logits.log_softmax(-1).max()), abs=1e-3)


def test_what_lies_behind_the_end_is_left_out(streaming: Both, clips: list[Clip]) -> None:
    encoder, samples = streaming.ours.encoder, clips[-1].samples[:32_000]
    stream = encoder.open_stream()
    assert encoder.audio(stream) is None
    encoder.listen(stream, samples)
    # Ends behind what has settled, and before it.
    for n_samples in (31_000, 10_000):
        audio = encoder.audio(stream, n_samples)
        assert audio is not None
        assert audio.n_frames == (n_samples - 80) // 320 + 1
        encoder.audio(stream)
    encoder.forget(stream, 99)  # more than has settled
    audio = encoder.audio(stream)
    assert audio is not None
    assert audio.n_frames == 1


@pytest.mark.slow
def test_the_shipped_model_as_a_folder_hears_what_it_hears(
    speech_models: SpeechModels, clips: list[Clip], tmp_path: Path
) -> None:
    """In float32; what 8 bits anew change is told by `benchmarks.quality.graphs`."""
    (tmp_path / "model").mkdir()
    write_real_moonshine(tmp_path / "model")
    again = load(tmp_path / "model", tmp_path / "cache")
    decode, errors = speech_models.tokenizer.decode, []
    for clip in clips:
        expected = decode(greedy(speech_models, whole(speech_models, clip.samples)))
        errors.append(word_errors(expected, decode(greedy(again, whole(again, clip.samples)))))
    assert again.tokenizer.encode("steadily Ogechi") == speech_models.tokenizer.encode(
        "steadily Ogechi"
    )
    assert sum(errors[1:], errors[0]).rate <= 0.02


def change(folder: Path, file: str, **values: object) -> None:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("config.json", {"model_type": "whisper"}, "the model is of the kind whisper, not moon"),
        ("config.json", {"attention_bias": True}, r"attention_bias is True, not False"),
        ("config.json", {"eos_token_id": 5}, r"eos_token_id is 5, not 2"),
        ("config.json", {"vocab_size": None}, "is no moonshine that can be run here"),
        ("config.json", {"decoder_num_hidden_layers": 3}, r"no weight 'model.decoder.layers.2"),
        ("preprocessor_config.json", {"sampling_rate": 8_000}, "hears 8000 Hz; 16000 Hz is needed"),
        ("preprocessor_config.json", {"do_normalize": True}, "wants its sound normalized"),
    ],
)
def test_what_is_no_such_model_is_refused(
    file: str, values: dict[str, object], message: str, tmp_path: Path
) -> None:
    write_moonshine(tmp_path / "model")
    change(tmp_path / "model", file, **values)
    with pytest.raises(ModelCorruptError, match=message):
        load(tmp_path / "model", tmp_path / "cache")


@pytest.mark.parametrize(
    ("file", "content", "error", "message"),
    [
        ("model.safetensors", None, ModelMissingError, r"it has no \*.safetensors"),
        ("model.safetensors", "nothing", ModelCorruptError, "weights of the model cannot be read"),
        ("tokenizer.json", None, ModelMissingError, "it has no tokenizer.json"),
        ("tokenizer.json", "{}", ModelCorruptError, "is no tokenizer"),
        ("config.json", None, ModelMissingError, r"config.json cannot be read"),
        ("config.json", "{", ModelCorruptError, r"config.json is not JSON"),
    ],
)
def test_a_file_that_is_missing_or_damaged_is_named(
    file: str, content: str | None, error: type[ModelError], message: str, tmp_path: Path
) -> None:
    write_moonshine(tmp_path / "model")
    (tmp_path / "model" / file).unlink()
    if content is not None:
        (tmp_path / "model" / file).write_text(content)
    with pytest.raises(error, match=message):
        load(tmp_path / "model", tmp_path / "cache")
