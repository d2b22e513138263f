"""Files and sealed state that stand inside a message: text is decoded and read, the rest is counted and named.

An image, a sound, a PDF: the bytes are here and are sent as they are, but nobody here says what is in them. They are
named among `unread`, so that a clause's facts can be `unknown` where content that was not read could matter.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from countermark.errors import MalformedError, NotCarriedError
from countermark.pep.fields import Gathered, Kind, Leaf, Walk, described

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_\-\r\n]*={0,2}[\r\n]*")
_TEXT_MEDIA: Final = re.compile(
    r"text/[a-z0-9.+-]+|application/(?:[a-z0-9.+-]+\+)?(?:json|jsonl|xml|yaml|toml|csv)", re.I
)
_SEALED: Final = "sealed/"
"""Leads what the model's maker sealed; never a media type, which a caller chooses."""
_DATA_URL: Final = re.compile(r"data:([A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+)(;charset=utf-8)?;base64,", re.I)


def sealed(label: str) -> Leaf:
    """Base64 that only the model's maker can open; what isn't base64 is read as the text that it is."""

    def make(path: str) -> Walk:
        def walk(value: Any, out: Gathered) -> None:
            if type(value) is not str:
                raise MalformedError(f"expected a string at `{path}`, got {described(value)}")
            if _BASE64.fullmatch(value):
                if value:
                    out.unread.append(_SEALED + label)
            else:
                out.texts.append(value)

        return walk

    return Leaf(
        kind=Kind.OPAQUE,
        says="sealed by the model's maker: counted; read as text where it isn't base64",
        make=make,
    )


def gather_file(media: str, encoded: str, path: str, out: Gathered) -> None:
    """An inline file: text media are decoded and read, others counted as unread.

    Raises:
        NotCarriedError: A media type that would pass for what the model's maker sealed, which no caller writes.
        MalformedError: Not base64, or text that is not UTF-8.
    """
    if media.lower().startswith(_SEALED):
        raise NotCarriedError(path, f"expected a registered media type, got `{media[:60]}`")
    if not _BASE64.fullmatch(encoded):
        raise MalformedError(f"expected base64 at `{path}`")
    media = media.lower()
    if not _TEXT_MEDIA.fullmatch(media):
        out.unread.append(media)
        return
    try:
        out.texts.append(base64.b64decode(encoded.replace("-", "+").replace("_", "/")).decode())
    except (binascii.Error, UnicodeDecodeError) as error:
        raise MalformedError(f"expected base64 of UTF-8 text at `{path}` for `{media}`") from error


def base64_of(media: str) -> Leaf:
    """Base64 of a file whose media type another field names (checked there by `words`)."""

    def make(path: str) -> Walk:
        def walk(value: Any, out: Gathered) -> None:
            if type(value) is not str:
                raise MalformedError(f"expected base64 at `{path}`, got {described(value)}")
            gather_file(media, value, path, out)

        return walk

    return Leaf(kind=Kind.OPAQUE, says=f"base64 ({media}): counted", make=make)


def data_url(how: str) -> Leaf:
    """A `data:` URL with base64: content. Any other URL is fetched elsewhere: refused."""

    def make(path: str) -> Walk:
        def walk(value: Any, out: Gathered) -> None:
            if type(value) is not str:
                raise MalformedError(f"expected a `data:` URL at `{path}`, got {described(value)}")
            match = _DATA_URL.match(value)
            if match is None:
                raise NotCarriedError(path, how)
            gather_file(match[1], value[match.end() :], path, out)

        return walk

    return Leaf(
        kind=Kind.OPAQUE,
        says="`data:` URL: text media are read, others counted; other URLs are refused: " + how,
        make=make,
    )
