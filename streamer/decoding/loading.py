"""From the name a person gives to the speech models behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from streamer.decoding.speech import LoadedSpeech, SpeechModels
from streamer.models.errors import require_torch
from streamer.models.moonshine.config import CONFIG_FILE, KINDS, model_type, read_config
from streamer.models.moonshine.decoder import DraftDecoder
from streamer.models.moonshine.encoder import AsrEncoder
from streamer.models.moonshine.folder import check_sound, read_tokenizer, weight_files
from streamer.models.moonshine.tokenizer import GRAPH_VERSION, Tokenizer
from streamer.models.moonshine.windowed_encoder import WindowedEncoder
from streamer.models.onnx.runtime import calm_openmp
from streamer.models.silero import Vad, VadModel
from streamer.models.store.catalog import MOONSHINE, SILERO
from streamer.models.store.checksum import sha256_of
from streamer.models.store.progress import Reached
from streamer.models.store.zoo import HUB_PREFIX, Zoo

VAD_FILE: Final = "silero_vad_16k_sequence.onnx"


def load_speech(
    name: str,
    zoo: Zoo,
    *,
    threads: int,
    device: str = "cpu",
    draft: Path | None = None,
    batched: bool = False,
    n_sessions: int = 1,
    look_ahead_ms: float = 560,
) -> LoadedSpeech:
    """Opens speech models.

    Args:
        name: `moonshine-tiny-en` for the project's own; a folder, or
            `hub:owner/repository@commit`, with a speech model of the transformers library. Any
            Moonshine runs as the project's own does, without that library.
        zoo: where the project's own are found.
        threads: CPU threads that one pass of the latter may use.
        device: "cpu", "cuda" or "cuda:1".
        draft: low-rank updates of the project's own decoder, see `streamer.models.train.draft`.
        batched: run a Moonshine in PyTorch, batched over sessions, as on a card.
        n_sessions: that such a card, or a streaming transducer, has memory for.
        look_ahead_ms: what such a transducer waits for, at most.

    Raises:
        ModelError: it is missing, cannot be fetched, or is not a fitting model.
        DeviceUnavailableError: the device is not usable.
    """
    if name != MOONSHINE.name and not _is_moonshine(name, zoo):
        folder = zoo.folder(name)
        require_torch(name)
        # Those two take seconds to import: only for those who use them.
        calm_openmp()
        from streamer.decoding.sources.hub_speech import HubSpeech
        from streamer.models.transformers_speech.loading import (
            TRANSDUCER,
            load_speech_model,
            read_speech_config,
        )

        if read_speech_config(folder, name)["model_type"] == TRANSDUCER:
            return _transducer(zoo, folder, name, threads, device, n_sessions, look_ahead_ms)
        model = load_speech_model(folder, name=name, threads=threads, device=device)
        return HubSpeech(model, VadModel(zoo.path(SILERO.name, VAD_FILE)))
    if batched:
        return _card_speech(name, zoo, device, draft, n_sessions)
    vad = VadModel(zoo.path(SILERO.name, VAD_FILE))
    if name != MOONSHINE.name:
        folder = zoo.folder(name, library=False)
        # CUDA has none of the 8-bit products.
        return load_moonshine(folder, name, zoo, vad, device=device, integer=device == "cpu")
    graphs = speech_graphs(zoo, device, draft)
    return SpeechModels(
        encoder=AsrEncoder(graphs, device=device),
        decoder=DraftDecoder(graphs, device=device),
        tokenizer=Tokenizer.read(zoo.path(name, "tokenizer.bin")),
        vad=vad,
    )


def _is_moonshine(name: str, zoo: Zoo) -> bool:
    """Of a hub's, nothing else is fetched to know."""
    hub = name.startswith(HUB_PREFIX)
    config = zoo.path(name, CONFIG_FILE) if hub else zoo.folder(name) / CONFIG_FILE
    return config.is_file() and model_type(config) in KINDS


def load_moonshine(
    folder: Path,
    name: str,
    zoo: Zoo,
    vad: Vad,
    *,
    device: str = "cpu",
    integer: bool = True,
) -> SpeechModels:
    """Any Moonshine in ONNX Runtime, by graphs in the cache, which are built the first time.

    Args:
        folder: as the transformers library saves it.
        name: the model's.
        integer: 8-bit matrix products; otherwise float32, several times slower.

    Raises:
        ModelError: a file is missing or another model's, or the cache cannot be written.
        DeviceUnavailableError: the device is not usable.
    """
    config = read_config(folder / CONFIG_FILE, name)
    check_sound(folder, name)
    tokenizer = read_tokenizer(folder, config.n_tokens)
    files = [folder / CONFIG_FILE, *weight_files(folder)]

    def build(to: Path, reached: Reached) -> None:
        # What writes graphs is not needed once they are there.
        from streamer.models.moonshine.folder_graphs import build_folder_graphs

        build_folder_graphs(folder, name, to, integer=integer)

    version = GRAPH_VERSION + ("" if integer else "-float")
    graphs = zoo.derived("moonshine", build, version, [sha256_of([file]) for file in files])
    encoder: AsrEncoder | WindowedEncoder = (
        WindowedEncoder(graphs, config, device=device)
        if config.windows
        else AsrEncoder(graphs, config, device=device)
    )
    decoder = DraftDecoder(graphs, config, device=device)
    return SpeechModels(encoder, decoder, tokenizer, vad, name)


def _card_speech(
    name: str, zoo: Zoo, device: str, draft: Path | None, n_sessions: int
) -> LoadedSpeech:
    # They come with what writes graphs, which takes a second to import.
    from streamer.models.moonshine.weights import read_folder, read_shipped

    if name == MOONSHINE.name:
        weights = read_shipped(*shipped_files(zoo), draft)
        tokenizer = Tokenizer.read(zoo.path(name, "tokenizer.bin"))
    else:
        folder = zoo.folder(name, library=False)
        check_sound(folder, name)
        weights = read_folder(folder, name, integer=False)
        tokenizer = read_tokenizer(folder, weights.config.n_tokens)
    calm_openmp()
    from streamer.decoding.sources.card_speech import CardSpeech
    from streamer.models.card.device import Card
    from streamer.models.card.loading import load_card_models

    vad = zoo.path(SILERO.name, VAD_FILE)
    models = load_card_models(weights, vad, Card(device), n_sessions=n_sessions)
    return CardSpeech(models, tokenizer, name)


def _transducer(
    zoo: Zoo,
    folder: Path,
    name: str,
    threads: int,
    device: str,
    n_sessions: int,
    look_ahead_ms: float,
) -> LoadedSpeech:
    from streamer.decoding.sources.transducer_speech import TransducerSpeech
    from streamer.models.card.device import Card
    from streamer.models.card.transducer.loading import load_transducer
    from streamer.models.card.vad import CardVad

    loaded = load_transducer(
        folder,
        name=name,
        threads=threads,
        device=device,
        look_ahead_ms=look_ahead_ms,
        n_sessions=n_sessions,
    )
    card = Card(device)
    vad = CardVad(zoo.path(SILERO.name, VAD_FILE), card, card.queue("vad"))
    return TransducerSpeech(loaded.model, loaded.tokenizer, vad, name)


def speech_graphs(zoo: Zoo, device: str = "cpu", draft: Path | None = None) -> Path:
    """The project's own speech model as graphs in the cache, which are built the first time.

    Raises:
        ModelError: a file is missing or damaged, or the cache cannot be written.
    """
    name = MOONSHINE.name
    # CUDA has none of the 8-bit products.
    integer = device == "cpu"
    version = GRAPH_VERSION + ("" if integer else "-float")
    if draft is not None:
        version += f"-{sha256_of([draft])}"
    return zoo.derived(
        name,
        lambda to, _: _build_graphs(*shipped_files(zoo), draft, to, integer=integer),
        version,
    )


def shipped_files(zoo: Zoo) -> tuple[Path, Path]:
    """Encoder and decoder of the project's own model.

    Raises:
        ModelError: a file is missing or damaged.
    """
    name = MOONSHINE.name
    return zoo.path(name, "encoder_model.ort"), zoo.path(name, "decoder_model_merged.ort")


def _build_graphs(
    encoder: Path, decoder: Path, updates: Path | None, folder: Path, *, integer: bool
) -> None:
    # What writes graphs is not needed once they are there.
    from streamer.models.moonshine.graph import build_graphs

    build_graphs(encoder, decoder, folder, updates=updates, integer=integer)
