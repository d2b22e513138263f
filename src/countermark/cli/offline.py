"""A gateway put together from its folder only to be asked: it writes nothing, sends nothing, and may run beside the
real one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from countermark.app import (
    SELECTOR_KEYS,
    Gateway,
    Parts,
    open_classifiers,
    put_together,
    read_selector_keys,
    read_terms,
)
from countermark.attestation.keys import PrivateKey
from countermark.clock import system_clock
from countermark.config import Settings
from countermark.errors import CredentialError, SettingsError
from countermark.evidence.credentials import CredentialIndex
from countermark.evidence.observation import KnownCredential
from countermark.evidence.possession import NonceStore
from countermark.oversight.approval import ConsumedSet
from countermark.oversight.hold import HoldStore
from countermark.oversight.sealing import HoldKey
from countermark.pdp.asked import Asked
from countermark.pdp.state import SuspensionStore
from countermark.store.memory import MemoryStore
from countermark.store.sqlite import SqliteStore
from countermark.store.statement_folder import StatementFolder
from countermark.tlog.log import MemoryLog
from countermark.tlog.publish import CHECKPOINT
from countermark.tlog.reader import LogReader

WIRES: Final = ("openai", "anthropic")


class _NoUpstream:
    """An upstream that is never reached."""

    async def open(self, url: str, **_: Any) -> Any:
        raise SettingsError(f"expected nothing to be sent to `{url}`: this gateway is only asked")

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class _Beside:
    """Holds and brakes as they are on file; what is used up is remembered here and nowhere else."""

    holds: HoldStore
    nonces: NonceStore
    consumed: ConsumedSet
    suspensions: SuspensionStore

    def close(self) -> None:
        """The file behind it is closed by who opened it."""


@contextmanager
def offline_gateway(settings: Settings) -> Iterator[Gateway]:
    """The gateway of a folder, to be asked. Classifiers behind a server are not: what they would say is unknown.

    Raises:
        SettingsError: Something is missing or unreadable; the message says what to do.
        CountermarkError: As `app.read_terms`.
    """
    memory = MemoryStore()
    file = SqliteStore(settings.state_file) if settings.state_file.is_file() else None
    found = file or memory
    log = settings.log_folder
    try:
        terms = read_terms(settings, now=system_clock().replace(microsecond=0))
        yield put_together(
            settings,
            Parts(
                terms=terms,
                log=MemoryLog(),
                entries=lambda: LogReader(log).entries() if (log / CHECKPOINT).is_file() else (),
                store=_Beside(
                    holds=found.holds,
                    nonces=memory.nonces,
                    consumed=memory.consumed,
                    suspensions=found.suspensions,
                ),
                files=StatementFolder(settings.statements_folder),
                client=_NoUpstream(),
                upstream_keys={},
                permit_key=PrivateKey.generate(),
                hold_key=HoldKey.generate(),
                digest_key=bytes(32),
                selector_keys=read_selector_keys(settings.keys_folder / SELECTOR_KEYS),
                classifiers=open_classifiers(replace(settings, signals={}), terms.bundle),
            ),
            clock=system_clock,
        )
    finally:
        if file is not None:
            file.close()


def credential_of(gateway: Gateway, workload: str, name: str | None) -> KnownCredential:
    """A credential on file of a workload, by its name or the first one.

    Raises:
        SettingsError: None in force: whoever asks is refused with 401, before anything is decided.
    """
    service = gateway.service
    statements = service.statements.of_kind("credential")
    index = CredentialIndex(
        (*statements, *service.statements.of_kind("status")),
        root=service.terms.root,
        skew_s=service.terms.bundle.skew_s,
    )
    reasons: list[str] = []
    for statement in sorted(statements, key=lambda each: str(each.descriptor.get("credential"))):
        said = str(statement.descriptor.get("credential"))
        if statement.subject.name != workload or name not in (None, said):
            continue
        try:
            return index.by_statement(statement.sha256, service.now())
        except CredentialError as error:
            reasons.append(f"{said}: {error}")
    what = f"credential `{name}`" if name is not None else "a credential"
    raise SettingsError(
        f"expected {what} of `{workload}` on file and in force{', ' + '; '.join(reasons) if reasons else ''}: "
        "without one a caller is refused (401), and nothing is decided"
    )


def read_asked(
    gateway: Gateway, caller: KnownCredential, *, api: str, headers: Mapping[str, str], body: bytes
) -> Asked:
    """Read a request's body as the gateway would.

    Raises:
        MalformedError: Not of the API's form: refused (400), and nothing is decided.
    """
    enforcer = next(each for each in gateway.enforcers.values() if each.wire.name == api)
    return enforcer.read(caller, headers, body)[0]


def archive_of(folder: Path) -> Path:
    """Where a gateway keeps what its log names."""
    return folder / "archive"
