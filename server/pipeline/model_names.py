"""What may be the name of a model: letters and digits of any script, so that it is no path and fits a header."""

from __future__ import annotations

import unicodedata
import urllib.parse

LONGEST_NAME = 100  # characters
PUNCTUATION = "-_. "
AUTO = "auto"


def is_model_name(text: str) -> bool:
    """Return whether a file's name without its ending may name a model."""
    plain = all(each in PUNCTUATION or unicodedata.category(each)[0] in "LMN" for each in text)
    return plain and 0 < len(text) <= LONGEST_NAME and text.strip(" .") == text and ".." not in text


def header_value(name: str) -> str:
    """Return the name as `X-Model` carries it: UTF-8, percent-encoded, because a header holds Latin-1 only."""
    return urllib.parse.quote(name)
