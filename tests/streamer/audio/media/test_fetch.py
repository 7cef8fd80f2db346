"""Files, radios and HLS over HTTP, and what is told when they fail."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from streamer.audio.files import AudioFileError, read_blocks, read_samples
from streamer.audio.media.contract import Url
from streamer.cli.certificate import certificate
from streamer.hosting.options import TLS_CERTIFICATE, TLS_KEY
from tests.fakes import tone
from tests.local_web import Page, served
from tests.media import encoded

SOUND = tone(3.0)
LIST = """#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:3
#EXT-X-MEDIA-SEQUENCE:0
#EXTINF:3.0,
0.ts
#EXTINF:3.0,
1.ts
"""


@pytest.fixture(scope="module")
def mp3() -> bytes:
    return encoded(SOUND, "talk.mp3")


@pytest.fixture(scope="module")
def parts() -> dict[str, Page]:
    part = Page(encoded(SOUND, "film.ts"), "video/mp2t")
    return {"/0.ts": part, "/1.ts": part}


def heard_s(url: str) -> float:
    samples = read_samples(Url(url))
    assert np.abs(samples).max() > 0.2
    return len(samples) / 16_000


def test_a_file(mp3: bytes) -> None:
    with served({"/talk.mp3": mp3}) as url:
        assert heard_s(f"{url}/talk.mp3") == pytest.approx(3.0, abs=0.1)


def test_a_radio_is_heard_as_it_comes(mp3: bytes) -> None:
    with served({"/": [mp3, None]}) as url:
        blocks = read_blocks(Url(f"{url}/"))
        heard = [next(blocks) for _ in range(20)]
        blocks.close()
    assert np.abs(np.concatenate(heard)).max() > 0.2


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("audio/x-mpegurl", "#EXTM3U\n#EXTINF:-1,News\n{url}/talk.mp3\n"),
        ("audio/x-scpls", "[playlist]\nFile1={url}/talk.mp3\nTitle1=News\n"),
    ],
)
def test_a_list_with_one_address_in_it(mp3: bytes, kind: str, text: str) -> None:
    pages: dict[str, Page | bytes] = {"/talk.mp3": mp3}
    with served(pages) as url:
        pages["/list"] = Page(text.format(url=url).encode(), kind)
        assert heard_s(f"{url}/list") == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("kind", ["application/vnd.apple.mpegurl", "audio/mpegurl"])
def test_hls(parts: Mapping[str, Page], kind: str) -> None:
    pages = {**parts, "/live.m3u8": Page(f"{LIST}#EXT-X-ENDLIST\n".encode(), kind)}
    with served(pages) as url:
        assert heard_s(f"{url}/live.m3u8") == pytest.approx(6.0, abs=0.3)


def test_of_several_streams_one_is_heard(parts: Mapping[str, Page]) -> None:
    kind = "application/vnd.apple.mpegurl"
    master = (
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\nlow/a.m3u8\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=900000\nhigh/a.m3u8\n"
    )
    listed = Page(f"{LIST}#EXT-X-ENDLIST\n".encode(), kind)
    pages = {"/": Page(master.encode(), kind), "/low/a.m3u8": listed, "/high/a.m3u8": listed}
    pages |= {f"/{speed}{name}": part for speed in ("low", "high") for name, part in parts.items()}
    with served(pages) as url:
        assert heard_s(f"{url}/") == pytest.approx(6.0, abs=0.3)


def test_live_hls_is_looked_at_again(parts: Mapping[str, Page]) -> None:
    kind = "application/vnd.apple.mpegurl"
    pages = {**parts, "/live.m3u8": Page(LIST.encode(), kind)}
    with served(pages) as url:
        blocks = read_blocks(Url(f"{url}/live.m3u8"), 16_000)
        next(blocks)
        pages["/2.ts"] = parts["/0.ts"]
        more = f"{LIST}#EXTINF:3.0,\n2.ts\n#EXT-X-ENDLIST\n"
        pages["/live.m3u8"] = Page(more.encode(), kind)
        assert 16_000 + sum(len(block) for block in blocks) == pytest.approx(9 * 16_000, abs=4_800)


def test_redirects_are_followed_to_the_web_alone(mp3: bytes, tmp_path: Path) -> None:
    secret = tmp_path / "talk.mp3"
    secret.write_bytes(mp3)
    pages: dict[str, Page | bytes] = {
        "/talk.mp3": mp3,
        "/moved": Page(status=302, headers={"Location": "/talk.mp3"}),
        "/stolen": Page(status=302, headers={"Location": f"file://{secret}"}),
        "/list.m3u8": Page(
            f"{LIST.replace('0.ts', f'file://{secret}')}#EXT-X-ENDLIST\n".encode(),
            "application/vnd.apple.mpegurl",
        ),
    }
    with served(pages) as url:
        assert heard_s(f"{url}/moved") == pytest.approx(3.0, abs=0.1)
        for path in ("/stolen", "/list.m3u8"):
            with pytest.raises(AudioFileError):
                read_samples(Url(url + path))


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (Page(status=404), r"the server answers 404 Not Found"),
        (Page(b"<html>no sound here</html>" * 99, "text/html"), "is not audio that can be read"),
        (Page(b""), "is not audio that can be read"),
    ],
)
def test_what_is_wrong_is_told(page: Page, message: str) -> None:
    with served({"/talk.mp3": page}) as url:
        with pytest.raises(AudioFileError, match=message) as caught:
            read_samples(Url(f"{url}/talk.mp3"))
        assert str(caught.value).startswith(f"{url}/talk.mp3: ")


def test_certificates_are_checked(
    mp3: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate(tmp_path, ("127.0.0.1",))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / TLS_CERTIFICATE, tmp_path / TLS_KEY)
    with served({"/talk.mp3": mp3}, tls) as url:
        with pytest.raises(AudioFileError, match=r"cannot be reached .*certificate verify failed"):
            read_samples(Url(f"{url}/talk.mp3"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / TLS_CERTIFICATE))
        assert heard_s(f"{url}/talk.mp3") == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:9/talk.mp3", r"cannot be reached \(Connection refused\)"),
        ("file:///etc/hostname", "an address that is not of http or https"),
    ],
)
def test_where_there_is_no_server(url: str, message: str) -> None:
    with pytest.raises(AudioFileError, match=message):
        read_samples(Url(url))
