"""Receipts: one entry's place in the log as a file that is checked offline, with nothing but the log's vkey.

    c2sp.org/tlog-proof@v1
    index 2
    <base64 of a hash, lowest level first>, one a line
    (empty line)
    <the signed checkpoint>

Source: C2SP tlog-proof (v1, no release of the text yet).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from countermark.errors import MalformedError
from countermark.tlog.checkpoint import Checkpoint, verify_checkpoint
from countermark.tlog.note import NoteKey, decode_base64, encode_base64
from countermark.tlog.proof import verify_inclusion
from countermark.tlog.tree import HASH_BYTES

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 63
"""No tree of at most 2^63 leaves has a longer proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An inclusion proof with the checkpoint that it leads to.

    Attributes:
        index: The entry's number.
        proof: Sibling hashes, lowest level first.
        checkpoint: The signed note, verbatim, with whatever cosignatures it carries.
        extra: Opaque and NOT authenticated.
    """

    index: int
    proof: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def encode(self) -> bytes:
        """The file's bytes."""
        lines = [HEADER]
        if self.extra:
            lines.append(f"extra {encode_base64(self.extra)}")
        lines.append(f"index {self.index}")
        lines += [encode_base64(each) for each in self.proof]
        return ("\n".join(lines) + "\n\n").encode() + self.checkpoint


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt without verifying it.

    Raises:
        MalformedError: Not in the form of c2sp.org/tlog-proof@v1.
    """
    head, cut, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise MalformedError("expected ASCII before a receipt's checkpoint") from error
    if not cut or lines[0] != HEADER:
        raise MalformedError(f"expected a receipt that begins with `{HEADER}` and ends in a checkpoint")
    rest = lines[1:]
    extra = b""
    if rest and rest[0].startswith("extra "):
        extra = decode_base64(rest.pop(0).removeprefix("extra "))
    number = rest.pop(0).removeprefix("index ") if rest and rest[0].startswith("index ") else ""
    if not (number.isdigit() and len(number) <= 19 and str(int(number)) == number):
        raise MalformedError(f"expected a line like `index 12` in a receipt, got `{number[:40]}`")
    if len(rest) > MAX_HASHES:
        raise MalformedError(f"expected at most {MAX_HASHES} hashes in a receipt, got {len(rest)}")
    proof = tuple(decode_base64(line) for line in rest)
    if any(len(each) != HASH_BYTES for each in proof):
        raise MalformedError(f"expected hashes of {HASH_BYTES} bytes in a receipt")
    return Receipt(index=int(number), proof=proof, checkpoint=checkpoint, extra=extra)


def verify_receipt(
    data: bytes, entry: bytes, *, keys: Iterable[NoteKey], origin: str | None = None
) -> tuple[int, Checkpoint]:
    """Check that `entry` is in the log that one of `keys` signs; returns its number and the checkpoint.

    Raises:
        MalformedError: Not a receipt.
        CheckpointError: The checkpoint is not signed by any of `keys`, or is another log's.
        ProofError: The proof does not lead to the checkpoint's root.
    """
    receipt = parse_receipt(data)
    checkpoint = verify_checkpoint(receipt.checkpoint, keys=keys, origin=origin)
    verify_inclusion(
        entry, index=receipt.index, size=checkpoint.size, proof=receipt.proof, root=checkpoint.root
    )
    return receipt.index, checkpoint
