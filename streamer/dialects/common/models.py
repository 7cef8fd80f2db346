"""The models that clients name, and which of ours answers to a name."""

from __future__ import annotations

from typing import Final

from streamer.dialects.common.settings import Offer, SettingError
from streamer.recognition.contract import Decoder

BEST: Final = "streamer"
OWN_MODELS: Final[dict[str, Decoder | None]] = {
    BEST: None,
    "streamer-draft": "draft",
    "streamer-fused": "fused",
}
ALIASES: Final = (("tiny", "streamer-draft"), ("", BEST))
"""What stands in the name of another service's model, and ours that answers to it; the first that
fits, and the last always does. `tiny` asks for speed: the draft has fewer weights than that one."""
MAX_NAME_CHARS: Final = 100


def decoder_for(setting: str, model: str, offer: Offer) -> Decoder:
    """The decoder behind a model's name, ours or another service's.

    Raises:
        SettingError: a name of ours that there is not, an endless one, or one that is not to be
            had on this server.
    """
    own = own_model(setting, model)
    decoder = OWN_MODELS[own] or offer.decoder
    if decoder == "fused" and offer.decoder == "draft":
        raise SettingError(setting, "this server runs without an LLM; use streamer-draft")
    return decoder


def own_model(setting: str, model: str) -> str:
    """The name of ours that answers. Raises SettingError as `decoder_for`."""
    if model in OWN_MODELS:
        return model
    if len(model) > MAX_NAME_CHARS or model.lower().startswith(BEST):
        raise SettingError(
            setting, f"there is no model {model!r:.60}; use one of {', '.join(OWN_MODELS)}"
        )
    return next(own for part, own in ALIASES if part in model.lower())


def offered_models(offer: Offer) -> list[str]:
    """Ours that can be had."""
    return [name for name, wants in OWN_MODELS.items() if wants in (None, "draft", offer.decoder)]


def name_of(decoder: Decoder) -> str:
    """What a model is called that was asked for by whatever name."""
    return f"{BEST}-{decoder}"
