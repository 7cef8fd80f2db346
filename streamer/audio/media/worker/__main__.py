"""`python -m streamer.audio.media.worker`: standard input, or `--url`, to messages."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import Final

import av
import av.logging

from streamer.audio.media.worker.decode import decode, opened
from streamer.audio.media.worker.messages import DecodingError, Output
from streamer.audio.media.worker.standard_input import LIVE_PROBE_BYTES, standard_input

_COMPUTING_S: Final = 20.0
"""Of processor time without a sample and without more input; then the system ends the process."""
_MEMORY_BYTES: Final = 1 << 29
_FILES: Final = 8
"""The standard ones, and what Python itself may have open. None can be opened any more."""


def main() -> None:
    arguments = _arguments()
    if sys.platform != "win32":
        # What started us may have files open in us, as uvloop does: no decoder must have them.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when it ends
    av.logging.set_level(av.logging.ERROR)  # errors then tell what was wrong
    logging.getLogger().addHandler(logging.NullHandler())
    messages = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no message
    output = Output(messages, _progress)
    _progress()
    try:
        if arguments.url:
            _fetch(arguments.url, output)
        else:
            _confine(files=arguments.spool)
            source = standard_input(output, _progress, spool=arguments.spool)
            with opened(source.file, source.probe_bytes, samples=source.samples) as container:
                decode(container, output, whole=source.whole, rate=arguments.rate)
    except DecodingError as error:
        output.error(str(error))
    except MemoryError:
        output.error("decoding it takes too much memory")
    except BrokenPipeError:
        os._exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url")
    parser.add_argument("--spool", action="store_true")
    parser.add_argument("--rate", type=int)
    return parser.parse_args()


def _fetch(url: str, output: Output) -> None:
    from streamer.audio.media.worker.fetch import Fetcher

    _confine(files=True)
    fetcher = Fetcher(_progress)
    address, is_hls = fetcher.found(url)
    with opened(address, LIVE_PROBE_BYTES, fetch=fetcher.open, is_hls=is_hls) as container:
        decode(container, output, whole=False)


def _progress() -> None:
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, _COMPUTING_S)


def _confine(*, files: bool) -> None:
    """Give up what decoding does not need. Libraries have been loaded by now.

    Args:
        files: more may be opened.
    """
    if sys.platform == "win32":
        return
    import resource

    limits = {resource.RLIMIT_AS: _MEMORY_BYTES, resource.RLIMIT_CORE: 0}
    if not files:
        limits[resource.RLIMIT_NOFILE] = _FILES
    for what, limit in limits.items():
        with suppress(ValueError, OSError):  # the system allows even less
            resource.setrlimit(what, (limit, limit))


if __name__ == "__main__":
    main()
