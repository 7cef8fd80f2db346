"""The OpenAPI document as a page that needs no script and loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

_HEAD = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}: what can be asked over HTTP</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/static/page/reference.css">
</head>
<body>
<main>
"""
_TAIL = "</main>\n</body>\n</html>\n"


def reference_page(document: dict[str, Any]) -> str:
    """HTML."""
    return (
        _HEAD.format(title=escape(document["info"]["title"])) + "\n".join(_body(document)) + _TAIL
    )


def _body(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
    yield f"<p>{_prose(info['description'])}</p>"
    yield '<p>For programs: <a href="/openapi.json">openapi.json</a>. '
    yield 'The captions: <a href="/">the page</a>.</p>'
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _operation(method, path, operation)
    yield "<h2>Shapes</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield f'<h3 id="{escape(name)}">{escape(name)}</h3>'
        yield from _fields(schema.get("properties", {}), schema.get("required", []))


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f'<section id="{escape(operation["operationId"])}">'
    yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
    yield f"<p>{_prose(operation['summary'])}.</p>"
    parameters = {p["name"]: p for p in operation.get("parameters", [])}
    if parameters:
        yield "<h3>Query</h3>" if "{" not in path else "<h3>Path</h3>"
        told = {n: p["schema"] | {"description": p["description"]} for n, p in parameters.items()}
        yield from _fields(told, [n for n, p in parameters.items() if p["required"]])
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<h3>Body <code>{escape(media_type)}</code></h3>"
        schema = content["schema"]
        yield from _fields(schema.get("properties", {}), schema.get("required", []))
    yield "<h3>Answers</h3><ul>"
    for status, response in operation["responses"].items():
        types = ", ".join(
            f"<code>{escape(media_type)}</code> {_type(content['schema'])}"
            for media_type, content in response["content"].items()
        )
        yield f"<li><b>{escape(status)}</b> {_prose(response['description'])} {types}</li>"
    yield "</ul></section>"


def _fields(properties: dict[str, Any], required: list[str]) -> Iterator[str]:
    if not properties:
        return
    yield "<table><tbody>"
    for name, schema in properties.items():
        needed = " <em>required</em>" if name in required else ""
        told = _prose(schema.get("description", ""))
        yield f"<tr><th scope=row><code>{escape(name)}</code>{needed}</th>"
        yield f"<td>{_type(schema)}</td><td>{told}</td></tr>"
    yield "</tbody></table>"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return escape(str(schema.get("format", schema.get("type", "anything"))))


def _prose(text: str) -> str:
    """What stands between backticks is code."""
    parts = [escape(part) for part in text.split("`")]
    return "".join(f"<code>{p}</code>" if at % 2 else p for at, p in enumerate(parts))
