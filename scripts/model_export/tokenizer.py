"""The tokenizer file of a bundle: the model's own, with the truncation and padding we need."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from scripts.build_support import BuildError


def read_tokenizer(folder: Path) -> dict[str, Any]:
    """Read `tokenizer.json` of a model folder.

    Raises:
        BuildError: it is no tokenizer.
    """
    path = folder / "tokenizer.json"
    try:
        document = json.loads(path.read_bytes())
        Tokenizer.from_str(json.dumps(document))
    # The Rust library raises bare Exception for whatever it cannot read.
    except Exception as error:
        raise BuildError(f"{path} is no tokenizer: {error}") from error
    return dict(document)


def tokenizer_bytes(tokenizer: Mapping[str, Any], max_tokens: int, pad_token_id: int) -> bytes:
    """Return the document cut at `max_tokens` and padded to the longest text of a batch.

    Both are set because published files carry whatever was set when they were saved: that of
    all-MiniLM-L6-v2 cuts and pads at 128 tokens where the model takes 256.

    Raises:
        BuildError: it has no token of the padding's id.
    """
    document = dict(tokenizer)
    pad_token = Tokenizer.from_str(json.dumps(document)).id_to_token(pad_token_id)
    if pad_token is None:
        raise BuildError(
            f"the tokenizer has no token with the id {pad_token_id}, the padding's; "
            "is it the tokenizer of this model?"
        )
    document["truncation"] = {
        "direction": "Right",
        "max_length": max_tokens,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    document["padding"] = {
        "strategy": "BatchLongest",
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": pad_token_id,
        "pad_type_id": 0,
        "pad_token": pad_token,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
