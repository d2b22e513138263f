"""A runner who cheats: stops the gateway, changes its log and its state, starts it again.

    drop-last-entry       the last entry taken out of the segments
    drop-approval-entry   the last decisions that used approvals taken out; the last decision where none did
    edit-entry            the last of these changed
    rewrite-signed        these left out of a log that is written anew and signed with the gateway's key
    remove-log            the whole log thrown away

How many uses of approvals are undone at once is said by who tampers: a gateway is stopped once for all of them. The first
three are what somebody can do who has the disk and not the key: the segments are written anew, chained as they should be,
and checkpoint and tiles left as they were signed. With each of them the holds that were used last are opened again in the
gateway's state, since whoever undoes the use of an approval would do both.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
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

_ASIDE: Final = "as-it-was"
_ANEW: Final = "log.anew"
_STATE: Final = "state.sqlite*"
# where the same was asked again, its new hold stays the open one
_REOPEN: Final = """\
UPDATE OR IGNORE hold SET state = 'open', closed_us = NULL, sealed = x'00'
WHERE number IN (SELECT number FROM hold WHERE state = 'used' ORDER BY number DESC LIMIT ?)
"""

Change = Callable[[Sequence[bytes], int], list[bytes]]
"""Entries, and how many uses of approvals are to be undone."""


def _without_last(entries: Sequence[bytes], uses: int) -> list[bytes]:
    return list(entries[:-1])


def _without_approvals(entries: Sequence[bytes], uses: int) -> list[bytes]:
    gone = set(_approved(entries, uses))
    return [entry for at, entry in enumerate(entries) if at not in gone]


def _edited(entries: Sequence[bytes], uses: int) -> list[bytes]:
    at = _approved(entries, 1)[0]
    outcome = parse_entry(entries[at])["outcome"]
    other = "PERMIT" if outcome == "DENY" else "DENY"
    changed = entries[at].replace(f'"outcome":"{outcome}"'.encode(), f'"outcome":"{other}"'.encode(), 1)
    return [*entries[:at], changed, *entries[at + 1 :]]


def _approved(entries: Sequence[bytes], uses: int) -> list[int]:
    """Numbers of the last decisions that used approvals, the latest first; where none did, of the last decision."""
    decisions = [
        (bool(entry.get("approvals")), at)
        for at, entry in enumerate(parse_entry(data) for data in entries)
        if entry["kind"] == "decision"
    ]
    if not decisions:
        raise StackError("expected a decision in the log to tamper with, got none")
    return [at for _, at in sorted(decisions, reverse=True)[:uses]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampering:
    """What is done to a log.

    Attributes:
        change: Entries before and after; None throws the log away.
        signed: The gateway's key signs what it comes to.
    """

    change: Change | None
    signed: bool = False


CHANGES: Final[Mapping[str, Tampering]] = {
    "drop-last-entry": Tampering(change=_without_last),
    "drop-approval-entry": Tampering(change=_without_approvals),
    "edit-entry": Tampering(change=_edited),
    "rewrite-signed": Tampering(change=_without_approvals, signed=True),
    "remove-log": Tampering(change=None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TamperingRunner:
    """Implements `door.Runner` for one gateway."""

    process: GatewayProcess

    async def tamper(self, change: str, *, uses: int = 1) -> bool:
        """Stop the gateway, change its log, start it again; False where it refuses to, and then all is put back.

        Args:
            uses: How many uses of approvals are undone, the latest ones.

        Raises:
            StackError: No such change, nothing to change, or the gateway does not start on its own log either.
        """
        if change not in CHANGES:
            raise StackError(f"expected a change of {', '.join(CHANGES)}, got `{change[:40]}`")
        return await asyncio.to_thread(self._tamper, CHANGES[change], uses)

    def _tamper(self, tampering: Tampering, uses: int) -> bool:
        folder = self.process.folder
        self.process.stop()
        _set_aside(folder)
        try:
            _write_anew(folder, tampering, uses)
            _reopen(folder, uses)
        except BaseException:
            put_back(folder)
            self.process.start()
            raise
        try:
            self.process.start()
        except StackError:
            put_back(folder)
            self.process.start()
            return False
        shutil.rmtree(folder / _ASIDE)
        return True


def _set_aside(folder: Path) -> None:
    part = folder / f"{_ASIDE}.part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(folder / "log", part / "log")
    for file in folder.glob(_STATE):
        shutil.copy(file, part / file.name)
    part.rename(folder / _ASIDE)  # whole, or not there


def put_back(folder: Path) -> None:
    """Put back what was set aside for tampering, also where somebody stopped in between."""
    aside = folder / _ASIDE
    shutil.rmtree(folder / _ANEW, ignore_errors=True)
    if not aside.exists():
        return
    for file in folder.glob(_STATE):
        file.unlink()
    shutil.rmtree(folder / "log", ignore_errors=True)
    shutil.copytree(aside, folder, dirs_exist_ok=True)
    shutil.rmtree(aside)


def _write_anew(gateway: Path, tampering: Tampering, uses: int) -> None:
    log, anew = gateway / "log", gateway / _ANEW
    if tampering.change is None:
        shutil.rmtree(log)
        return
    root = read_trust_root(gateway / "trust-root.json", now=system_clock())
    origin = log_origin(root, GATEWAY)
    key = PrivateKey.load(gateway / "keys" / KEY_GATEWAY) if tampering.signed else PrivateKey.generate()
    changed = tampering.change([data for _, data in LogReader(log).entries(unpublished=True)], uses)
    signer = NoteSigner(name=origin, public=key.public.public, sign=key.sign)
    with LogWriter(anew, origin=origin, key=signer) as writer:
        for written in [writer.submit(entry) for entry in changed]:
            written.result()
    if tampering.signed:
        shutil.rmtree(log)
        anew.rename(log)
        return
    shutil.rmtree(log / FOLDER)
    (anew / FOLDER).rename(log / FOLDER)
    shutil.rmtree(anew)


def _reopen(gateway: Path, uses: int) -> None:
    with closing(sqlite3.connect(gateway / "state.sqlite")) as database, database:
        database.execute(_REOPEN, (uses,))
