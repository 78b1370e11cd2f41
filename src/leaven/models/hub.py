"""Whether a model of the hub can be had, told in seconds: the hub's own client tries six times, for half a minute."""

from pathlib import Path

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from leaven.errors import UserError

SECONDS = 5


def check(path: str) -> None:
    """Raises UserError for a hub id that is not on this machine while the hub does not answer.

    What the hub does answer (no such model, no leave to have it) is left to who loads the model.
    """
    if constants.HF_HUB_OFFLINE or Path(path).expanduser().exists():
        return
    try:
        if isinstance(try_to_load_from_cache(path, "config.json"), str):
            return
        get_hf_file_metadata(hf_hub_url(path, "config.json"), timeout=SECONDS)
    except (HfHubHTTPError, HFValidationError):
        return
    except Exception as error:  # of whichever transport the hub's client has
        raise UserError(
            f"the model {path} is not on this machine, and the hub can't be reached: {error}",
            "Give a folder, or check the name and the network.",
        ) from error
