"""No model brings code of its own: whatever its folder says, and whoever is asked."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from streamer.models.emotion.transformers_classifier import TransformersEmotion
from streamer.models.errors import ModelCorruptError
from streamer.models.llm.loading import open_llm
from tests.conftest import ROOT
from tests.models.tiny_gemma import write_tiny_gemma

OWN_CODE = """
from pathlib import Path
from transformers import PreTrainedConfig, SequenceFeatureExtractor

Path(__file__).with_name("ran").touch()

class OwnConfig(PreTrainedConfig):
    model_type = "own"

class OwnExtractor(SequenceFeatureExtractor):
    pass
"""
OPENERS: dict[str, Callable[[Path], object]] = {
    "llm": lambda folder: open_llm(folder, threads=1),
    "emotion": TransformersEmotion,
}


@pytest.mark.parametrize("kind", OPENERS)
def test_code_beside_a_model_is_not_run(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_gemma(tmp_path)
    classes = ("AutoModelForCausalLM", "AutoModelForAudioClassification")
    own = {"AutoConfig": "own.OwnConfig", "AutoFeatureExtractor": "own.OwnExtractor"}
    own |= dict.fromkeys(classes, "own.OwnConfig")
    for file in ("config.json", "preprocessor_config.json"):
        (tmp_path / file).write_text(json.dumps({"model_type": "own", "auto_map": own}))
    (tmp_path / "own.py").write_text(OWN_CODE.replace("__file__", repr(str(tmp_path / "own.py"))))
    monkeypatch.setattr("builtins.input", lambda _: "y")  # the library asks, unless it is told
    with pytest.raises(ModelCorruptError, match="custom code"):
        OPENERS[kind](tmp_path)
    assert not (tmp_path / "ran").exists()


def test_every_opening_says_so() -> None:
    opened = 0
    for folder in ("benchmarks", "clients", "models", "streamer"):
        for source in sorted((ROOT / folder).rglob("*.py")):
            for call in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
                if not isinstance(call, ast.Call):
                    continue
                opens = isinstance(call.func, ast.Attribute) and call.func.attr == "from_pretrained"
                told = [k.value for k in call.keywords if k.arg == "trust_remote_code"]
                assert told or not opens, f"{source}:{call.lineno} says nothing"
                assert [ast.unparse(value) for value in told] in ([], ["False"])
                opened += opens
    assert opened
