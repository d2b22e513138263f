"""Checkpoints: what a log commits to, in three lines that it signs.

    halden.example/gateway-1
    3
    <base64 of the root hash>

Source: C2SP tlog-checkpoint v1.0.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from countermark.errors import CheckpointError, MalformedError, SignatureError
from countermark.tlog.note import (
    NoteKey,
    NoteSigner,
    decode_base64,
    encode_base64,
    open_note,
    parse_note,
    sign_note,
)
from countermark.tlog.tree import HASH_BYTES

MAX_SIZE = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A log's size and root.

    Attributes:
        origin: Names the log for ever; the same on all its checkpoints.
        size: Entries under `root`.
        root: 32 bytes.
        extensions: Lines that the log signed with it; ours writes none, since nobody can audit them.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def body(self) -> str:
        """The text that is signed."""
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def parse_body(text: str) -> Checkpoint:
    """Read the signed text.

    Raises:
        MalformedError: Not origin, size and root, each on its line.
    """
    if not text.endswith("\n"):
        raise MalformedError("expected a checkpoint to end in a newline")
    lines = text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise MalformedError(f"expected a checkpoint of origin, size and root, got {len(lines)} lines")
    origin, size, root = lines[:3]
    if not (size.isascii() and size.isdigit() and len(size) <= 19 and str(int(size)) == size):
        raise MalformedError(f"expected a size in decimal without leading zeros, got `{size[:40]}`")
    if int(size) > MAX_SIZE:
        raise MalformedError(f"expected a size of at most {MAX_SIZE}, got `{size}`")
    root_hash = decode_base64(root)
    if len(root_hash) != HASH_BYTES:
        raise MalformedError(f"expected a root of {HASH_BYTES} bytes, got {len(root_hash)}")
    return Checkpoint(origin=origin, size=int(size), root=root_hash, extensions=tuple(lines[3:]))


def parse_checkpoint(data: bytes) -> Checkpoint:
    """Read a signed checkpoint WITHOUT verifying it; for who made it, or will verify it.

    Raises:
        MalformedError: Not a checkpoint.
    """
    return parse_body(parse_note(data).text)


def sign_checkpoint(checkpoint: Checkpoint, *signers: NoteSigner) -> bytes:
    """The signed note of a checkpoint.

    Raises:
        MalformedError: The origin can't stand in a note.
    """
    body = checkpoint.body()
    if parse_body(body) != checkpoint:
        raise MalformedError(f"expected an origin of one line, got `{checkpoint.origin[:80]}`")
    return sign_note(body, *signers)


def verify_checkpoint(data: bytes, *, keys: Iterable[NoteKey], origin: str | None = None) -> Checkpoint:
    """Check that one of `keys` has signed this checkpoint.

    Args:
        data: The signed note.
        keys: Keys of the log, from a source that is not the log.
        origin: What the log must call itself; None accepts any name that the key signs under.

    Raises:
        CheckpointError: Malformed, not signed by any of `keys`, or of another log.
    """
    try:
        checkpoint = parse_body(open_note(data, keys).text)
    except (MalformedError, SignatureError) as error:
        raise CheckpointError(f"checkpoint can't be trusted: {error}") from error
    if origin is not None and checkpoint.origin != origin:
        raise CheckpointError(f"expected a checkpoint of `{origin}`, got one of `{checkpoint.origin}`")
    return checkpoint
