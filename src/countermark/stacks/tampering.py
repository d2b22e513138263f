"""A runner who cheats: stops the gateway, changes its log, starts it again.

    drop-last-entry       the last entry taken out of the segments
    drop-approval-entry   the last decision that used approvals taken out; the last decision where none did
    edit-entry            one byte of that entry changed
    rewrite-signed        that entry left out of a log that is written anew and signed with the gateway's key
    remove-log            the whole log thrown away

The first three are what somebody can do who has the disk and not the key: the segments are written anew, chained as they
should be, and checkpoint and tiles left as they were signed.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from countermark.app import KEY_GATEWAY, log_origin, read_trust_root
from countermark.attestation.keys import PrivateKey
from countermark.clock import system_clock
from countermark.errors import StackError
from countermark.stacks.cast import GATEWAY
from countermark.stacks.process import GatewayProcess
from countermark.tlog.entry import parse_entry
from countermark.tlog.note import NoteSigner
from countermark.tlog.reader import LogReader
from countermark.tlog.segment import FOLDER
from countermark.tlog.writer import LogWriter

_ASIDE: Final = "log.as-it-was"
_ANEW: Final = "log.anew"

Change = Callable[[Sequence[bytes]], list[bytes]]


def _without_last(entries: Sequence[bytes]) -> list[bytes]:
    return list(entries[:-1])


def _without_approval(entries: Sequence[bytes]) -> list[bytes]:
    at = _approved(entries)
    return [*entries[:at], *entries[at + 1 :]]


def _edited(entries: Sequence[bytes]) -> list[bytes]:
    at = _approved(entries)
    # another outcome, still an entry that can be read
    changed = entries[at].replace(b'"PERMIT"', b'"DENY"', 1)
    if changed == entries[at]:
        changed = entries[at].replace(b'"outcome"', b'"outcomE"', 1)
    return [*entries[:at], changed, *entries[at + 1 :]]


def _approved(entries: Sequence[bytes]) -> int:
    """Number of the last decision that used approvals, else of the last decision."""
    decisions = [
        (bool(entry.get("approvals")), at)
        for at, entry in enumerate(parse_entry(data) for data in entries)
        if entry["kind"] == "decision"
    ]
    if not decisions:
        raise StackError("expected a decision in the log to tamper with, got none")
    return max(decisions)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tampering:
    change: Change
    signed: bool = False


CHANGES: Final[Mapping[str, _Tampering | None]] = {
    "drop-last-entry": _Tampering(change=_without_last),
    "drop-approval-entry": _Tampering(change=_without_approval),
    "edit-entry": _Tampering(change=_edited),
    "rewrite-signed": _Tampering(change=_without_approval, signed=True),
    "remove-log": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TamperingRunner:
    """Implements `door.Runner` for one gateway."""

    process: GatewayProcess

    async def tamper(self, change: str) -> bool:
        """Stop the gateway, change its log, start it again; False where it refuses to, and then the log is put back.

        Raises:
            StackError: No such change, nothing to change, or the gateway does not start on its own log either.
        """
        if change not in CHANGES:
            raise StackError(f"expected a change of {', '.join(CHANGES)}, got `{change[:40]}`")
        return await asyncio.to_thread(self._tamper, CHANGES[change])

    def _tamper(self, tampering: _Tampering | None) -> bool:
        log = self.process.folder / "log"
        self.process.stop()
        shutil.copytree(log, log.with_name(_ASIDE))
        try:
            if tampering is None:
                shutil.rmtree(log)
            else:
                _write_anew(self.process.folder, tampering)
        except BaseException:
            put_back(log)
            self.process.start()
            raise
        try:
            self.process.start()
        except StackError:
            put_back(log)
            self.process.start()
            return False
        shutil.rmtree(log.with_name(_ASIDE))
        return True


def put_back(log: Path) -> None:
    """Put a log back that was tampered with, where somebody stopped in between."""
    aside = log.with_name(_ASIDE)
    if aside.exists():
        shutil.rmtree(log, ignore_errors=True)
        aside.rename(log)
    shutil.rmtree(log.with_name(_ANEW), ignore_errors=True)


def _write_anew(gateway: Path, tampering: _Tampering) -> None:
    log, anew = gateway / "log", gateway / _ANEW
    root = read_trust_root(gateway / "trust-root.json", now=system_clock())
    origin = log_origin(root, GATEWAY)
    key = PrivateKey.load(gateway / "keys" / KEY_GATEWAY) if tampering.signed else PrivateKey.generate()
    entries = [data for _, data in LogReader(log).entries(unpublished=True)]
    changed = tampering.change(entries)
    with LogWriter(
        anew, origin=origin, key=NoteSigner(name=origin, public=key.public.public, sign=key.sign)
    ) as writer:
        for entry in changed:
            writer.submit(entry).result()
    if tampering.signed:
        shutil.rmtree(log)
        anew.rename(log)
        return
    shutil.rmtree(log / FOLDER)
    (anew / FOLDER).rename(log / FOLDER)
    shutil.rmtree(anew)
