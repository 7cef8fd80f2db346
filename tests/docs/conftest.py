"""The server and the recording that the documents' examples talk about."""

from tests.contract.conftest import server, speech

__all__ = ["server", "speech"]
