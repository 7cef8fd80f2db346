"""The tables of the documents that say what the code and the results say.

They stand between `<!-- table: NAME -->` and `<!-- /table -->`; `python -m tests.docs.tables`
writes them anew.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from benchmarks.report.figures import table
from benchmarks.report.tables import result_tables
from streamer.cli import build_app
from streamer.decoding.decision.agreement import AgreementOptions
from streamer.decoding.decision.fused_commit import FusedOptions
from streamer.decoding.decision.shown_words import ShownOptions
from streamer.decoding.listening_decoder import EarOptions
from streamer.decoding.options import DecoderOptions
from streamer.decoding.speech_evidence import EvidenceOptions
from streamer.hosting.options import ServerOptions
from streamer.models.fusion.score import FusionWeights
from streamer.protocol.messages import StartMessage
from streamer.recognition.emotion_monitor import EmotionOptions
from streamer.recognition.endpointer import EndpointerOptions
from streamer.recognition.engine import EngineOptions
from streamer.recognition.options import LanguageOptions, RecognizerOptions
from streamer.recognition.speakers.options import SpeakerOptions
from streamer.recognition.voice.meter import VoiceOptions
from tests.docs.blocks import DOCUMENTS, ROOT

HOW_TO_RENEW: Final = "run `python -m tests.docs.tables` and read what it changed"
_TABLE: Final = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- /table -->)", re.DOTALL)
WITH_TABLES: Final = (*DOCUMENTS, ROOT / "README.md", ROOT / "models/weights/EMOTION_CARD.md")
_OPTIONS: Final = (
    ServerOptions,
    EngineOptions,
    RecognizerOptions,
    DecoderOptions,
    ShownOptions,
    EvidenceOptions,
    AgreementOptions,
    FusedOptions,
    EarOptions,
    LanguageOptions,
    EndpointerOptions,
    EmotionOptions,
    VoiceOptions,
    SpeakerOptions,
    FusionWeights,
)


def renewed(text: str) -> str:
    """A document with its tables as they should be.

    Raises:
        KeyError: it asks for a table that there is not.
    """
    known = tables()
    return _TABLE.sub(lambda found: f"{found[1]}{known[found[2]]()}{found[3]}", text)


def names_in(text: str) -> list[str]:
    """The tables of a document."""
    return [found[2] for found in _TABLE.finditer(text)]


def tables() -> dict[str, Callable[[], str]]:
    """Name to what writes the table."""
    made: dict[str, Callable[[], str]] = {"start": _start, **result_tables()}
    for name, command in commands().items():
        made[f"streamer {name}"] = partial(_command, command)
    for options in _OPTIONS:
        made[options.__name__] = partial(_options, options)
    return made


def commands() -> dict[str, Callable[..., None]]:
    """Name to the function behind it, those of groups too: `models list`."""
    return dict(_commands(build_app(), ""))


def _commands(app: typer.Typer, prefix: str) -> Iterator[tuple[str, Callable[..., None]]]:
    for info in app.registered_commands:
        assert info.callback is not None
        yield prefix + (info.name or info.callback.__name__), info.callback
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from _commands(group.typer_instance, f"{prefix}{group.name} ")


def _command(command: Callable[..., None]) -> str:
    """Options with their variables; arguments stand in capitals.

    Read from the function, not from the parser: what that is made of differs between versions.
    """
    hints = get_type_hints(command, include_extras=True)
    rows = []
    for name, parameter in inspect.signature(command).parameters.items():
        if hints[name] is typer.Context:
            continue
        kind, info = get_args(hints[name])
        kinds = {*get_args(kind), kind} - {type(None)}
        if isinstance(info, ArgumentInfo):
            shown = f"`{name.upper()}`{' …' if get_origin(kind) is list else ''}"
        else:
            # Inside Annotated, typer takes what stands in the place of the default for a name.
            given = [d for d in (info.default, *(info.param_decls or ())) if isinstance(d, str)]
            names = "/".join(given or [f"--{name.replace('_', '-')}"]).split("/")
            shown = ", ".join(f"`{each}`" for each in names)
        required = parameter.default is inspect.Parameter.empty
        default = "required" if required else _default(parameter.default)
        variable = f"`{info.envvar}`" if info.envvar else "–"
        rows.append((shown, variable, _values(kinds, info), default, info.help or ""))
    return table(("option", "variable", "values", "default", "meaning"), rows)


def _values(kinds: set[Any], info: OptionInfo | ArgumentInfo) -> str:
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum):
            return ", ".join(f"`{choice.value}`" for choice in kind)
    if info.max is not None:
        return f"{_number(info.min or 0)} … {_number(info.max)}"
    if info.min is not None:
        return f"{_number(info.min)} and more"
    if bool in kinds:
        return "on, off"
    if kinds & {int, float}:
        return "number"
    return "path" if Path in kinds else "text"


def _default(value: object) -> str:
    match value:
        case None | () | "":
            return "–"
        case Enum():
            return f"`{value.value}`"
        case bool():
            return "on" if value else "off"
        case float() | int():
            return _number(value)
        case _:
            return f"`{value}`"


def _number(value: float) -> str:
    """As it is typed: no commas, no zeros behind the point."""
    return str(int(value)) if value == int(value) else str(value)


def _start() -> str:
    schema = StartMessage.model_json_schema()
    rows = []
    for name, field in schema["properties"].items():
        default = field.get("default")
        shown = "–" if default in (None, "", []) else f"`{json.dumps(default)}`"
        rows.append((f"`{name}`", _schema_values(field, schema["$defs"]), shown))
    return table(("field", "values", "default"), rows)


def _schema_values(field: dict[str, Any], known: dict[str, Any]) -> str:
    """A JSON schema in words. Raises ValueError: there are none for it."""
    match field:
        case {"$ref": reference}:
            told = _schema_values(known[reference.rpartition("/")[2]], known)
        case {"anyOf": kinds}:
            wanted = [kind for kind in kinds if kind != {"type": "null"}]
            told = ", ".join(_schema_values(kind, known) for kind in wanted)
        case {"const": value}:
            told = f"`{value}`"
        case {"type": "object", "properties": fields}:
            told = f"object with {', '.join(f'`{name}`' for name in fields)}, or `{{}}`"
        case {"enum": values}:
            told = ", ".join(f"`{value}`" for value in values)
        case {"type": "string", "minLength": least, "maxLength": most}:
            told = f"text of {least} to {most} characters"
        case {"type": "string", "maxLength": most}:
            told = f"text of up to {most} characters"
        case {"type": "array", "maxItems": most, "items": item}:
            told = f"up to {most}, each a {_schema_values(item, known)}"
        case {"type": "integer" | "number", "minimum": low, "maximum": high}:
            told = f"{_number(low)} … {_number(high)}"
        case {"type": "integer"}:
            told = "number"
        case {"type": "boolean"}:
            told = "`true`, `false`"
        case _:
            raise ValueError(f"no words for {field}")
    return told


def _options(options: type) -> str:
    """The fields of a dataclass, with the text behind each."""
    told = _field_texts(options)
    rows = []
    for field in dataclasses.fields(options):
        if field.default is dataclasses.MISSING:  # options inside options have their own table
            assert field.default_factory is not dataclasses.MISSING
            shown = f"see {type(field.default_factory()).__name__}"
        else:
            shown = _default(field.default)
        rows.append((f"`{field.name}`", shown, told.get(field.name, "")))
    return table(("name", "default", "meaning"), rows)


def _field_texts(options: type) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(options))).body
    assert isinstance(definition, ast.ClassDef)
    told = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                told[name] = " ".join(words.split())
    return told


def main() -> None:
    for path in WITH_TABLES:
        text = path.read_text(encoding="utf-8")
        anew = renewed(text)
        if anew != text:
            path.write_text(anew, encoding="utf-8")
            print(f"renewed the tables of {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
