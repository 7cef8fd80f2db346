"""`/openapi.json` and `/docs`. Who may ask is not asked: they hold nothing of anybody's."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from streamer.dialects.common.settings import Offer
from streamer.dialects.reference.openapi import openapi_document
from streamer.dialects.reference.page import reference_page
from streamer.server.stream_server import StreamServer


def reference_routes(server: StreamServer) -> Sequence[BaseRoute]:
    document = openapi_document(version("streamer"), Offer.of(server.engine, server.options))
    page = reference_page(document)

    async def openapi(request: Request) -> Response:
        return JSONResponse(document)

    async def docs(request: Request) -> Response:
        return HTMLResponse(page)

    return [Route("/openapi.json", openapi), Route("/docs", docs)]
