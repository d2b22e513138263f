"""Statements as files that people carry: envelopes alone, or with words around them for whoever is asked to sign."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from countermark.attestation.envelope import parse_envelope, read_lines
from countermark.attestation.statement import Statement, parse_statement
from countermark.cli.signing import read_file
from countermark.errors import CountermarkError, MalformedError, SettingsError

_FENCE: Final = "```jsonl countermark"
_FENCED: Final = re.compile(rf"^{_FENCE}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEX: Final = re.compile(r"[0-9a-f]{4,64}", re.ASCII)


def envelopes_of(data: bytes) -> list[bytes]:
    """The envelopes of a carried file, the statement's first; of Markdown, those of its one fenced block.

    Raises:
        MalformedError: No envelope, or Markdown without exactly one such block.
    """
    if data.lstrip().startswith(b"{"):
        return read_lines(data)
    blocks = _FENCED.findall(data.decode("utf-8", "replace").replace("\r\n", "\n"))
    if len(blocks) != 1:
        raise MalformedError(
            f"expected a statement file (JSON Lines), or a request with one block that begins with `{_FENCE}`"
        )
    return read_lines(blocks[0].encode())


def with_envelopes(data: bytes, lines: Sequence[bytes]) -> bytes:
    """The same carried file with other envelopes in it."""
    body = b"".join(line + b"\n" for line in lines)
    if data.lstrip().startswith(b"{"):
        return body
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    return _FENCED.sub(lambda _: f"{_FENCE}\n{body.decode()}```", text).encode()


def fenced(lines: Sequence[bytes]) -> str:
    """The block of a request that holds its envelopes."""
    body = b"".join(line + b"\n" for line in lines).decode()
    return f"{_FENCE}\n{body}```"


def statement_of(lines: Sequence[bytes]) -> Statement:
    """The statement that a file is about; nobody has verified it.

    Raises:
        MalformedError: The first line is no statement of ours.
    """
    if not lines:
        raise MalformedError("expected a statement file with at least one envelope")
    return parse_statement(parse_envelope(lines[0]).payload)


def find_file(target: str, files: Mapping[str, bytes] | None) -> tuple[list[bytes], Path | None]:
    """The envelopes of a statement that is named by a file, or on file by its digest or by what it is about.

    Args:
        target: A file; a digest or its beginning; or `purpose:northmark/office`, the newest of that kind and name.

    Returns:
        The envelopes, and the file where one was named.

    Raises:
        SettingsError: No such file, nothing on file that it names, or several.
    """
    path = Path(target)
    if path.is_file():
        return envelopes_of(read_file(path)), path
    kind, colon, name = target.partition(":")
    if not colon and not _HEX.fullmatch(target):
        raise SettingsError(
            f"expected a file, a statement's digest in hex, or one like `purpose:northmark/office`, got `{target[:80]}`"
        )
    if files is None:
        raise SettingsError(
            "expected a gateway's working folder to look a statement up in: name it with --dir, or name a file"
        )
    found: list[tuple[int, list[bytes]]] = []
    for data in files.values():
        try:
            lines = read_lines(data)
            statement = statement_of(lines)
        except CountermarkError:
            continue
        if colon:
            named = statement.predicate_type == kind and statement.subject.name == name
        else:
            named = statement.sha256.startswith(target)
        if named:
            found.append((statement.seq, lines))
    newest = [lines for seq, lines in found if not colon or seq == max(number for number, _ in found)]
    if len(newest) != 1:
        raise SettingsError(f"expected one statement on file for `{target[:80]}`, found {len(newest)}")
    return newest[0], None


def find_statement(target: str, files: Mapping[str, bytes] | None) -> Statement:
    """The statement that is named as `find_file` says.

    Raises:
        SettingsError: As for `find_file`.
        MalformedError: It is no statement of ours.
    """
    return statement_of(find_file(target, files)[0])
