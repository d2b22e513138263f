"""What `doctor` looks at: everything that a new user gets wrong, and everything that goes wrong by itself later.

Each check is a function from what is known to findings; one that can't be made because another failed says nothing.
"""

from __future__ import annotations

import asyncio
import http.client
import shutil
import socket
import ssl
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from countermark.app import (
    KEY_DIGEST,
    KEY_GATEWAY,
    KEY_HOLD,
    SELECTOR_KEYS,
    log_origin,
    open_classifiers,
    read_terms,
)
from countermark.attestation.keys import PrivateKey
from countermark.cli.drafting import Place
from countermark.cli.evidence_list import SOON, filed_at, unverified
from countermark.cli.working_folder import PEOPLE
from countermark.clock import format_time, parse_time
from countermark.config import Settings, read_secret, read_settings
from countermark.errors import CountermarkError, PolicyError, SignalError
from countermark.evidence.predicates.legal_basis import parse_legal_basis
from countermark.evidence.standing import newest
from countermark.oversight.sealing import HoldKey
from countermark.oversight.words import plain
from countermark.pdp.signalled import Classifier
from countermark.pdp.terms import Terms
from countermark.policy.read import listed
from countermark.policy.settings import Upstream
from countermark.store.statement_folder import StatementFolder
from countermark.tlog.entry import parse_entry
from countermark.tlog.note import NoteKey
from countermark.tlog.publish import CHECKPOINT
from countermark.tlog.reader import LogReader
from countermark.tlog.verify import verify_log

ROOT_SOON: Final = timedelta(days=30)
"""A trust root takes every side to renew, so it is said earlier than of a statement."""
CONNECT_S: Final = 3.0
FREE_BYTES: Final = 256 << 20
"""Room beside two further segments: tiles, state, statements."""


class Grade(StrEnum):
    """How a finding is meant."""

    GOOD = "ok"
    NOTE = "note"
    """True, and worth knowing; nothing to mend."""
    SOON = "soon"
    """Will be a problem."""
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found, and what to do about it."""

    about: str
    grade: Grade
    message: str
    do: str = ""


@dataclass(slots=True)
class Patient:
    """What the checks have found out so far."""

    folder: Path
    now: datetime
    settings: Settings | None = None
    terms: Terms | None = None
    place: Place | None = None


Check = Callable[[Patient], Iterator[Finding]]


def _good(about: str, message: str) -> Finding:
    return Finding(about=about, grade=Grade.GOOD, message=message)


def _problem(about: str, message: str, do: str = "") -> Finding:
    return Finding(about=about, grade=Grade.PROBLEM, message=message, do=do)


def check_settings(patient: Patient) -> Iterator[Finding]:
    """settings.toml can be read."""
    try:
        patient.settings = read_settings(patient.folder)
    except CountermarkError as error:
        yield _problem("settings", str(error), "docs/reference/settings.md has every setting")
        return
    yield _good(
        "settings", f"gateway {patient.settings.gateway}, {patient.settings.host}:{patient.settings.port}"
    )


def check_keys(patient: Patient) -> Iterator[Finding]:
    """The gateway's secrets are there, whole, and nobody else's to read."""
    if patient.settings is None:
        return
    keys = patient.settings.keys_folder
    problems = list(_key_problems(keys))
    yield from problems
    if not problems:
        yield _good("keys", f"{keys} holds this gateway's secrets, readable by their owner only")
    people = patient.folder / PEOPLE
    private = sorted(path.name for path in people.glob("*.pem")) if people.is_dir() else []
    for path in (people / name for name in private):
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield _problem("keys", f"{path} can be read by others", f"chmod 600 {path}")
    if private:
        yield Finding(
            about="keys",
            grade=Grade.NOTE,
            message=f"keys of people lie beside the gateway: {', '.join(private)}",
            do="who gets into this machine can sign as them: move them to where their people are",
        )


def _key_problems(keys: Path) -> Iterator[Finding]:
    if not keys.is_dir():
        yield _problem(
            "keys", f"expected the folder {keys}", "restore it from a backup, or make a gateway anew (init)"
        )
        return
    if stat.S_IMODE(keys.stat().st_mode) & 0o077:
        yield _problem("keys", f"{keys} can be entered by others", f"chmod 700 {keys}")
    selectors = keys / SELECTOR_KEYS
    readers: list[tuple[Path, Callable[[Path], object]]] = [
        (keys / KEY_GATEWAY, PrivateKey.load),
        (keys / KEY_HOLD, HoldKey.load),
        (keys / KEY_DIGEST, read_secret),
    ]
    if selectors.is_dir():
        readers += [(path, read_secret) for path in sorted(selectors.iterdir()) if path.is_file()]
    for path, read in readers:
        try:
            read(path)
        except CountermarkError as error:
            yield _problem(
                "keys", str(error), f"chmod 600 {path}" if path.exists() else "restore it from a backup"
            )


def check_trust(patient: Patient) -> Iterator[Finding]:
    """A trust root is in force, names this gateway with its key, and lasts."""
    if patient.settings is None:
        return
    settings = patient.settings
    try:
        patient.terms = read_terms(settings, now=patient.now)
    except CountermarkError as error:
        if isinstance(error, PolicyError):
            yield _problem("bundle", str(error), f"countermark policy check {settings.bundle_folder}")
        else:
            yield _problem("trust root", str(error), f"countermark trust status --dir {patient.folder}")
        return
    root = patient.terms.root
    end = root.validity.valid_until
    if end - patient.now <= ROOT_SOON:
        yield Finding(
            about="trust root",
            grade=Grade.SOON,
            message=f"{root.name} version {root.version} ends at {format_time(end)}",
            do="every side has to sign its successor: countermark trust draft",
        )
    else:
        yield _good("trust root", f"{root.name} version {root.version}, until {format_time(end)}")
    yield from _own_key(settings, patient.terms)
    if root.one_sided:
        yield Finding(
            about="trust root",
            grade=Grade.NOTE,
            message=f"one-sided: {', '.join(root.sides)} signs alone, so nothing here proves anything to anybody else",
            do="docs/how-to/two-sides.md",
        )
    if not root.upstream_checks_permit:
        yield Finding(
            about="trust root",
            grade=Grade.NOTE,
            message=f"who holds the upstream's key can go round this gateway: {listed(root.upstream_key_held_by, 'and')}",
            do="docs/how-to/protect-the-upstream.md",
        )


def _own_key(settings: Settings, terms: Terms) -> Iterator[Finding]:
    try:
        key = PrivateKey.load(settings.keys_folder / KEY_GATEWAY)
    except CountermarkError:
        return  # said by check_keys
    if terms.root.gateway_key(settings.gateway) != key.public:
        yield _problem(
            "trust root",
            f"it names another key for gateway {settings.gateway} than keys/{KEY_GATEWAY} ({key.public.keyid[:12]})",
            "put the right key there, or let the sides sign a trust root with this one",
        )


def check_terms(patient: Patient) -> Iterator[Finding]:
    """The bundle (read, in the dialect, valid: `read_terms` has seen to that) is in force, and its approval lasts."""
    if patient.settings is None or patient.terms is None:
        return
    bundle, folder = patient.terms.bundle, patient.settings.bundle_folder
    until = patient.terms.approved_until
    if patient.terms.not_in_force is not None or until is None:
        yield _problem(
            "bundle",
            f"{patient.terms.not_in_force}: everything is denied",
            f"every side: countermark policy approve {folder} --key SIDE.pem --days 90",
        )
    elif until - patient.now <= SOON:
        yield Finding(
            about="bundle",
            grade=Grade.SOON,
            message=f"its approval ends at {format_time(until)}; then everything is denied",
            do=f"every side: countermark policy approve {folder} --key SIDE.pem --days 90",
        )
    else:
        yield _good("bundle", f"{bundle.name} version {bundle.version}, approved until {format_time(until)}")


def check_statements(patient: Patient) -> Iterator[Finding]:
    """What is on file verifies and lasts; somebody can ask; orders have their selector keys."""
    if patient.settings is None or patient.terms is None:
        return
    terms = patient.terms
    patient.place = Place(
        folder=patient.folder,
        root=terms.root,
        lifetimes=terms.bundle.lifetimes,
        files=StatementFolder(patient.settings.statements_folder).read_all(),
    )
    filed = filed_at(patient.place, now=patient.now)
    verified = [each.statement for each in filed if each.statement is not None]
    counting, _ = newest(verified)
    keep = {(each.kind, each.subject.sha256) for each in counting}
    problems = 0
    for each in filed:
        if each.statement is not None:
            continue
        said = unverified(each)
        if said is not None and (said.predicate_type, said.subject.sha256) in keep:
            continue  # another one about the same stands
        problems += 1
        name = f"{said.predicate_type} {plain(said.subject.name)}" if said is not None else "a file"
        yield _problem(
            "statements",
            f"{name} ({each.sha256[:12]}): {plain(str(each.error))}",
            "docs/how-to/renew-evidence.md",
        )
    for statement in counting:
        if statement.validity.valid_until - patient.now <= SOON:
            problems += 1
            yield Finding(
                about="statements",
                grade=Grade.SOON,
                message=f"{statement.kind} {plain(statement.subject.name)} ends at "
                f"{format_time(statement.validity.valid_until)}",
                do=f"countermark evidence new {statement.kind} (docs/how-to/renew-evidence.md)",
            )
    if not any(each.kind == "credential" for each in counting):
        yield _problem(
            "statements",
            "no credential is on file and in force: every caller is refused (401)",
            "countermark evidence new credential --workload NAME --api-key-out FILE",
        )
    elif not problems:
        yield _good("statements", f"{len(counting)} on file and in force")
    held = patient.settings.keys_folder / SELECTOR_KEYS
    for statement in counting:
        if statement.kind == "legal-basis":
            key_id = parse_legal_basis(statement.predicate).key_id
            if key_id and not (held / key_id).is_file():
                yield _problem(
                    "statements",
                    f"the order {plain(statement.subject.name)} is keyed with `{key_id}`, which isn't in {held}",
                    "bring the key: without it no person is recognised as inside the order",
                )


def check_upstreams(patient: Patient) -> Iterator[Finding]:
    """Each upstream of the bundle is reached, speaks HTTP, and its key can be read."""
    if patient.settings is None or patient.terms is None:
        return
    used = {route.upstream for route in patient.terms.bundle.routes.values()}
    for name in sorted(used):
        upstream = patient.terms.bundle.upstreams[name]
        own = patient.settings.upstreams.get(name)
        try:
            if own is not None:
                own.read_key()
        except CountermarkError as error:
            yield _problem("upstream", str(error), f"[upstreams.{name}] in settings.toml")
        try:
            status = ask_upstream(upstream, own.ca_file if own is not None else None)
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            yield _problem(
                "upstream",
                f"expected a model's server at {upstream.url}: {why}",
                "start it; its address stands in the bundle, so another one needs every side's signature",
            )
        else:
            yield _good("upstream", f"{upstream.url} answers (status {status})")


def ask_upstream(upstream: Upstream, ca_file: Path | None) -> int:
    """Ask an upstream for its models, without a key: any HTTP status shows that it is there.

    Raises:
        OSError: It can't be reached, or its certificate isn't trusted.
        HTTPException: What listens there doesn't speak HTTP.
    """
    parts = urlsplit(upstream.url)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(
            host,
            parts.port,
            timeout=CONNECT_S,
            context=ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None),
        )
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=CONNECT_S)
    )
    try:
        connection.request("GET", f"{parts.path}/v1/models")
        return connection.getresponse().status
    finally:
        connection.close()


def check_classifiers(patient: Patient) -> Iterator[Finding]:
    """Each classifier that clauses read answers a harmless question; a silent one is as strict as an alarm."""
    if patient.settings is None or patient.terms is None:
        return
    for name, classifier in open_classifiers(patient.settings, patient.terms.bundle).items():
        asked = patient.terms.bundle.signals[name].classifier
        try:
            asyncio.run(_ask_once(classifier))
        except SignalError as error:
            yield _problem(
                "classifier", f"`{asked}` says nothing: {error}", "docs/how-to/use-a-classifier.md"
            )
        else:
            yield _good("classifier", f"`{asked}` answers")


async def _ask_once(classifier: Classifier) -> None:
    try:
        await classifier.see(["Is anybody there?"])
    finally:
        await classifier.close()


def check_log(patient: Patient) -> Iterator[Finding]:
    """The log verifies, and its last entry isn't from the future."""
    if patient.settings is None or patient.terms is None:
        return
    folder, root = patient.settings.log_folder, patient.terms.root
    if not (folder / CHECKPOINT).is_file():
        yield _good("log", "empty: nothing was decided yet")
        return
    origin = log_origin(root, patient.settings.gateway)
    try:
        key = NoteKey(name=origin, public=root.gateway_key(patient.settings.gateway).public)
        report = verify_log(folder, vkeys=[key.vkey])
        behind = list(LogReader(folder).entries(max(report.size - 1, 0)))
    except (CountermarkError, ValueError) as error:
        yield _problem(
            "log", str(error), f"countermark log verify --dir {patient.folder}; do not delete anything"
        )
        return
    yield _good("log", f"{report.size} entries verify; one-sided until another party keeps a checkpoint")
    if not behind:
        return
    at = parse_time(parse_entry(behind[-1][1])["at"])
    if at > patient.now + timedelta(seconds=patient.terms.bundle.skew_s):
        yield _problem(
            "clock",
            f"it says {format_time(patient.now)}, and the log's last entry is of {format_time(at)}",
            "set the clock right: until then decisions are taken at the log's time",
        )
    else:
        yield _good("clock", f"not behind the log (last entry {format_time(at)})")


def check_disk(patient: Patient) -> Iterator[Finding]:
    """There is room for further segments."""
    if patient.settings is None:
        return
    free = shutil.disk_usage(patient.folder).free
    wanted = 2 * (patient.settings.segment_mib << 20) + FREE_BYTES
    if free < wanted:
        yield _problem(
            "disk",
            f"{free >> 20} MiB are free, two segments and their tiles want {wanted >> 20} MiB",
            "make room: a gateway that can't write its log answers 503",
        )
    else:
        yield _good("disk", f"{free >> 20} MiB free")


def check_port(patient: Patient) -> Iterator[Finding]:
    """The port is free, or it is this gateway that listens there."""
    if patient.settings is None:
        return
    settings = patient.settings
    if settings.port == 0:
        yield _good("port", "a free one is taken at each start")
        return
    try:
        with socket.create_connection((settings.host, settings.port), timeout=CONNECT_S):
            pass
    except OSError:
        yield _good("port", f"{settings.host}:{settings.port} is free: the gateway isn't running")
        return
    if _is_ours(patient):
        yield _good("port", f"this gateway runs at {settings.host}:{settings.port}")
    else:
        yield _problem(
            "port",
            f"another program listens at {settings.host}:{settings.port}",
            "stop it, or change `port` in settings.toml",
        )


def _is_ours(patient: Patient) -> bool:
    """Whether what listens shows the checkpoint of this gateway's log."""
    settings = patient.settings
    if settings is None or patient.terms is None:
        return False
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=CONNECT_S)
    try:
        connection.request("GET", "/countermark/v1/log/checkpoint")
        answer = connection.getresponse()
        first = answer.read(4096).split(b"\n", 1)[0]
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return answer.status == 200 and first == log_origin(patient.terms.root, settings.gateway).encode()


CHECKS: Final[Sequence[Check]] = (
    check_settings,
    check_keys,
    check_trust,
    check_terms,
    check_statements,
    check_upstreams,
    check_classifiers,
    check_log,
    check_disk,
    check_port,
)


def examine(folder: Path, *, now: datetime) -> list[Finding]:
    """Make every check; what one finds out, the next ones know."""
    patient = Patient(folder=folder, now=now)
    found: list[Finding] = []
    for check in CHECKS:
        try:
            found.extend(check(patient))
        except (CountermarkError, OSError) as error:
            found.append(_problem(check.__name__.removeprefix("check_"), str(error)))
    return found
