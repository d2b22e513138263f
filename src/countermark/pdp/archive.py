"""What a gateway keeps so that its log can be replayed: terms, statements, approvals and suspensions, by digest.

Everything here is found by a digest that stands in the log, so a file that was edited is no longer what the log names.

    bundles/<bundle digest>/...             the bundle's files
    trust-roots/<payload sha256>.json       the trust root's envelope
    bundle-approvals/<sha256>.jsonl         the sides' approval of the bundle
    statements/<sha256 of the file>.jsonl   a statement with its countersignatures, as it was on file
    approvals/<payload sha256>.json         what one person signed about a held action
    suspensions/<payload sha256>.json       a brake, taken or lifted
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from countermark.attestation.envelope import parse_envelope
from countermark.attestation.trust_root import TrustRoot, parse_trust_root
from countermark.errors import CountermarkError, TamperedError
from countermark.policy.bundle import Bundle, load_bundle


class Archive:
    """Reads an archive. What is missing or edited is a `TamperedError` that names the file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _read(self, *parts: str) -> bytes:
        path = self._folder.joinpath(*parts)
        try:
            return path.read_bytes()
        except OSError as error:
            raise TamperedError(
                f"expected `{'/'.join(parts)}` in the archive, which the log names: {error.strerror}"
            ) from error

    def _file(self, folder: str, sha256: str, ending: str) -> bytes:
        """A file that is named by its own digest."""
        data = self._read(folder, f"{sha256}{ending}")
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise TamperedError(
                f"`{folder}/{sha256}{ending}` in the archive was edited: its digest is `{found[:16]}` now"
            )
        return data

    def _envelope(self, folder: str, sha256: str) -> bytes:
        """An envelope that is named by its payload's digest."""
        data = self._read(folder, f"{sha256}.json")
        try:
            found = hashlib.sha256(parse_envelope(data.strip()).payload).hexdigest()
        except CountermarkError as error:
            raise TamperedError(f"`{folder}/{sha256}.json` in the archive was edited: {error}") from error
        if found != sha256:
            raise TamperedError(
                f"`{folder}/{sha256}.json` in the archive was edited: its payload's digest is `{found[:16]}` now"
            )
        return data.strip()

    def trust_root(self, digest: str, now: datetime) -> TrustRoot:
        """A trust root that was in force at `now`.

        Raises:
            TamperedError: Missing or edited.
            TrustError: It was not in force.
        """
        return parse_trust_root(self.trust_root_file(digest), now=now)

    def trust_root_file(self, digest: str) -> bytes:
        """The same, unread."""
        return self._envelope("trust-roots", digest)

    def bundle(self, digest: str) -> Bundle:
        """A bundle.

        Raises:
            TamperedError: Missing or edited.
        """
        name = f"bundles/{digest}"
        try:
            bundle = load_bundle(self._folder / "bundles" / digest)
        except CountermarkError as error:
            raise TamperedError(f"expected the bundle in `{name}` of the archive: {error}") from error
        if bundle.digest != digest:
            raise TamperedError(
                f"`{name}` in the archive was edited: its digest is `{bundle.digest[:16]}` now"
            )
        return bundle

    def bundle_approval(self, sha256: str) -> bytes:
        """The file by which the sides approved a bundle."""
        return self._file("bundle-approvals", sha256, ".jsonl")

    def statement(self, file_sha256: str) -> bytes:
        """A statement's file."""
        return self._file("statements", file_sha256, ".jsonl")

    def approval(self, sha256: str) -> bytes:
        """What a person signed about a held action."""
        return self._envelope("approvals", sha256)

    def suspension(self, sha256: str) -> bytes:
        """A brake that was taken or lifted."""
        return self._envelope("suspensions", sha256)
