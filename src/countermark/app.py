"""The only place where parts are put together: settings in, a gateway and its ASGI app out.

(1) trust root, bundle and the sides' approval of it: what is not in force denies everything, and says why
(2) the log, from which everything that may be used once is rebuilt
(3) statements on file; what changed since the last start is entered in the log
(4) the parts, put together
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from countermark import __version__
from countermark.attestation.envelope import read_lines
from countermark.attestation.keys import PrivateKey
from countermark.attestation.trust_root import TrustRoot, parse_trust_root
from countermark.clock import Clock, format_time, system_clock
from countermark.config import Settings, SignalSettings, read_secret
from countermark.errors import CountermarkError, LogError, SettingsError, StoreError
from countermark.evidence.selectors import SelectorKeys
from countermark.oversight.sealing import HoldKey
from countermark.pdp.desk import Desk
from countermark.pdp.expiring import ending_soon
from countermark.pdp.on_file import StatementsOnFile, StatementStore
from countermark.pdp.recovery import Recovered, recover
from countermark.pdp.service import Service
from countermark.pdp.signalled import Classifier, Watch
from countermark.pdp.state import Store
from countermark.pdp.suspensions import Suspensions
from countermark.pdp.terms import Terms, make_terms
from countermark.pep.anthropic import AnthropicMessages
from countermark.pep.api import Api
from countermark.pep.callers import Callers
from countermark.pep.enforce import Enforcer
from countermark.pep.fields import NO_EXTRAS, Extras, Kind
from countermark.pep.forward import Forwarder
from countermark.pep.http import Receive, Scope, Send
from countermark.pep.metrics import Metrics
from countermark.pep.models import Models
from countermark.pep.openai import OpenAIChat
from countermark.pep.refusals import Refusals
from countermark.pep.routing import Router
from countermark.pep.upstream_client import AiohttpUpstreamClient, UpstreamClient, UpstreamTls
from countermark.policy.approval import bundle_in_force
from countermark.policy.bundle import Bundle, load_bundle
from countermark.policy.settings import Upstream
from countermark.signals.sources import open_classifier
from countermark.store.sqlite import SqliteStore
from countermark.store.statement_folder import StatementFolder, write_durably
from countermark.tlog.log import Log
from countermark.tlog.note import NoteSigner
from countermark.tlog.reader import LogReader
from countermark.tlog.writer import LogWriter

log = logging.getLogger("countermark")

HOLDS_KEPT = timedelta(days=30)
"""How long a closed hold stays in the store, for those who look; its content went when it was closed."""
FORGET_EVERY = timedelta(hours=1)
KEY_GATEWAY = "gateway.pem"
KEY_HOLD = "hold.key"
KEY_DIGEST = "digest.key"
SELECTOR_KEYS = "selectors"
"""Folder of `keys/` with one file a selector key: its name is the key's id, its content 64 hex digits."""


def read_selector_keys(folder: Path) -> SelectorKeys:
    """The keys that persons' selectors are keyed with; none where the folder isn't there."""
    if not folder.is_dir():
        return SelectorKeys({})
    return SelectorKeys({path.name: read_secret(path) for path in sorted(folder.iterdir()) if path.is_file()})


def upstream_tls(settings: Settings, upstream: Upstream) -> UpstreamTls:
    """Whom to believe that they are an upstream: the bundle's pin, and this gateway's own authorities."""
    own = settings.upstreams.get(upstream.name)
    return UpstreamTls(
        ca_file=own.ca_file if own is not None else None,
        spki_sha256=upstream.pin.removeprefix("sha256:") if upstream.pin is not None else None,
    )


def wires(bundle: Bundle) -> tuple[OpenAIChat, AnthropicMessages]:
    """The wire formats, with the fields that the sides have added to their tables."""
    extras = {
        api: Extras(kinds={path: Kind(kind) for path, kind in added.items()})
        for api, added in bundle.fields.items()
    }
    return OpenAIChat(extras.get("openai", NO_EXTRAS)), AnthropicMessages(extras.get("anthropic", NO_EXTRAS))


def log_origin(root: TrustRoot, gateway: str) -> str:
    """Name of a gateway's log for ever: trust root and gateway."""
    return f"countermark/{root.name}/{gateway}"


def read_trust_root(path: Path, *, now: datetime) -> TrustRoot:
    """Read the pinned trust root.

    Raises:
        SettingsError: There is none.
        TrustError: It is not in force.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"expected the trust root in `{path}`: {error.strerror}") from error
    return parse_trust_root(data, now=now)


def read_terms(settings: Settings, *, now: datetime) -> Terms:
    """Trust root and bundle, and whether every side stands behind it. A bundle that nobody approved denies everything.

    Raises:
        SettingsError: A file is missing.
        TrustError: The trust root is not in force.
        PolicyError: The bundle can't be read, so that not even a denial could name its clauses.
    """
    root = read_trust_root(settings.trust_root_file, now=now)
    bundle = load_bundle(settings.bundle_folder)
    until: datetime | None = None
    why: str | None = None
    approval = b""
    try:
        approval = settings.bundle_approval_file.read_bytes()
        until = bundle_in_force(bundle.digest, read_lines(approval), root, now).valid_until
    except (CountermarkError, OSError) as error:
        why = f"the bundle is not in force: {error}"
    return make_terms(
        root, bundle, gateway=settings.gateway, approved_until=until, not_in_force=why, approval=approval
    )


@dataclass(slots=True)
class Gateway:
    """One gateway, put together. `start` before the first request, `stop` after the last."""

    settings: Settings
    terms: Terms
    service: Service
    writer: Log
    store: Store
    client: UpstreamClient
    files: StatementStore
    metrics: Metrics
    refusals: Refusals
    callers: Callers
    enforcers: Mapping[str, Enforcer]
    models: Models
    api: Api
    recovered: Recovered
    _tasks: list[asyncio.Task[None]]
    ready: bool = False

    async def start(self) -> None:
        """Enter the start, and what changed on file since the last one; then begin to keep house."""
        service = self.service
        await service.record(
            {
                "kind": "start",
                "version": __version__,
                "bundle": self.terms.bundle.digest,
                "trust_root": self.terms.root.digest,
                "approval": self.terms.approval_sha256,
                "runner_level": self.terms.runner_level.word,
                "one_sided": self.terms.root.one_sided,
                "not_in_force": self.terms.not_in_force or "",
            }
        )
        await self._enter_changes()
        self._tasks.append(asyncio.create_task(self._keep_house()))
        self.ready = True

    def why_not_ready(self) -> str | None:
        """Why nothing can be permitted now (not started, log failed, bundle not in force), or None."""
        if not self.ready:
            return "starting or stopping"
        return self.terms.why_not(self.service.now()) or self.writer.failure

    async def _enter_changes(self) -> None:
        known = dict(self.recovered.filed)
        changes: list[dict[str, str]] = []
        for filed in self.service.statements.all():
            if known.pop(filed.sha256, None) != filed.file_sha256:
                self.files.keep(
                    self.settings.archive_folder / "statements" / f"{filed.file_sha256}.jsonl", filed.data
                )
                changes.append({"kind": "filed", "statement": filed.sha256, "file": filed.file_sha256})
        changes += [{"kind": "removed", "statement": sha256} for sha256 in known]
        if changes:
            # handed in together, they are entered in this order, and the log syncs once for many of them
            entered = await asyncio.gather(*(self.service.record(change) for change in changes))
            self.service.on_file_at = entered[-1]

    async def _keep_house(self) -> None:
        """Once a second: sum up refusals, let holds expire, warn of evidence that is about to expire."""
        warned: set[str] = set()
        forgot_at = self.service.now()
        while True:
            await asyncio.sleep(1)
            now = self.service.now()
            try:
                if self.refusals.due(now) and (summary := self.refusals.summary()) is not None:
                    await self.service.record(summary)
                for hold_id in self.store.holds.expire(now):
                    await self.service.record({"kind": "hold", "hold": hold_id, "state": "expired"})
                if now - forgot_at >= FORGET_EVERY:
                    self.store.holds.forget(now - HOLDS_KEPT)
                    forgot_at = now
            except LogError:
                pass  # said where it happened, and `/readyz` says so until the gateway is started anew
            except StoreError as error:
                log.error("holds can't be looked after: %s", error)
            self.metrics.log_size.set(self.writer.size)
            self._warn(now, warned)

    def _warn(self, now: datetime, warned: set[str]) -> None:
        """Say once of each thing that ends within a week; the gauge counts the statements and terms among them."""
        statements = [
            filed.statement for filed in self.service.statements.all() if filed.statement is not None
        ]
        ending = ending_soon(statements, self.terms, now)
        self.metrics.expiring.set(len(ending))
        for each in ending:
            if each.key not in warned:
                warned.add(each.key)
                log.warning(
                    "%s ends at %s: renew it (`%s`)", each.what, format_time(each.ends_at), each.renew
                )

    async def stop(self) -> None:
        """Finish what is under way and close; everything that was answered is durable already."""
        self.ready = False
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(LogError):
            if (summary := self.refusals.summary()) is not None:
                await self.service.record(summary)
        await self.client.close()
        await self.service.watch.close()
        await asyncio.to_thread(self.writer.close)
        self.store.close()


def archive(target: Path, data: bytes) -> None:
    """Keep a copy that replay will need, once."""
    if not target.exists():
        write_durably(target, data)


def _archive_terms(settings: Settings, terms: Terms) -> None:
    for path, data in terms.bundle.files.items():
        archive(settings.archive_folder / "bundles" / terms.bundle.digest / path, data)
    roots = settings.archive_folder / "trust-roots"
    archive(roots / f"{terms.root.digest}.json", settings.trust_root_file.read_bytes())
    archive(settings.archive_folder / "bundle-approvals" / f"{terms.approval_sha256}.jsonl", terms.approval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a gateway is put together from, wherever it is kept: in a working folder, or in memory for tests.

    Attributes:
        entries: Reads the log from its first entry: number and bytes.
        classifiers: By what they look at; a signal without one is unknown.
        upstream_keys: API key per upstream of the bundle; None where it needs none.
    """

    terms: Terms
    log: Log
    entries: Callable[[], Iterable[tuple[int, bytes]]]
    store: Store
    files: StatementStore
    client: UpstreamClient
    upstream_keys: Mapping[str, str | None]
    permit_key: PrivateKey
    hold_key: HoldKey
    digest_key: bytes
    selector_keys: SelectorKeys
    classifiers: Mapping[str, Classifier] = field(default_factory=dict)


def open_classifiers(settings: Settings, bundle: Bundle) -> Mapping[str, Classifier]:
    """The classifiers whose signals clauses read, by what they look at; `SettingsError` where a key can't be read."""
    read = bundle.signals_read.values()
    own = {name: settings.signals.get(name, SignalSettings()) for name in bundle.signals}
    return {
        name: open_classifier(
            terms.classifier,
            threshold=terms.threshold,
            sha256=terms.sha256,
            model=terms.model,
            server=own[name].server(),
            template_file=own[name].template_file,
            timeout_s=own[name].timeout_s,
        )
        for name, terms in bundle.signals.items()
        if terms in read
    }


def open_gateway(settings: Settings, *, clock: Clock = system_clock) -> Gateway:
    """Put a gateway together from its working folder.

    Raises:
        SettingsError: Something is missing or unreadable; the message says what to do.
        TrustError: The trust root is not in force, or names another key for this gateway.
        LogError: The log was changed, is in use, or can't be written.
    """
    now = clock().replace(microsecond=0)
    keys = settings.keys_folder
    terms = read_terms(settings, now=now)  # (1)
    gateway_key = PrivateKey.load(keys / KEY_GATEWAY)
    if terms.root.gateway_key(settings.gateway) != gateway_key.public:
        raise SettingsError(
            f"expected the key of gateway `{settings.gateway}` in `{keys / KEY_GATEWAY}`: the trust root names "
            f"{terms.root.gateway_key(settings.gateway).keyid[:16]}, this is {gateway_key.public.keyid[:16]}"
        )
    if terms.not_in_force is not None:
        log.error("%s; every request will be denied", terms.not_in_force)
    _archive_terms(settings, terms)
    upstreams = terms.bundle.upstreams
    origin = log_origin(terms.root, settings.gateway)
    parts = Parts(
        terms=terms,
        log=LogWriter(
            settings.log_folder,
            origin=origin,
            key=NoteSigner(name=origin, public=gateway_key.public.public, sign=gateway_key.sign),
            segment_bytes=settings.segment_mib << 20,
            publish_interval_s=settings.checkpoint_interval_s,
        ),
        entries=lambda: LogReader(settings.log_folder).entries(unpublished=True),
        store=SqliteStore(settings.state_file, clock=clock),
        files=StatementFolder(settings.statements_folder),
        client=AiohttpUpstreamClient(
            {upstream.url: upstream_tls(settings, upstream) for upstream in upstreams.values()}
        ),
        upstream_keys={
            name: settings.upstreams[name].read_key() if name in settings.upstreams else None
            for name in upstreams
        },
        permit_key=gateway_key,
        hold_key=HoldKey.load(keys / KEY_HOLD),
        digest_key=read_secret(keys / KEY_DIGEST),
        selector_keys=read_selector_keys(keys / SELECTOR_KEYS),
        classifiers=open_classifiers(settings, terms.bundle),
    )
    return put_together(settings, parts, clock=clock)


def put_together(settings: Settings, parts: Parts, *, clock: Clock) -> Gateway:
    """Steps (2) to (4): what both a gateway in its folder and one in memory are.

    Raises:
        MalformedError: An entry of the log that this version could not have written.
        StoreError: The log consumed one approval twice.
    """
    now = clock().replace(microsecond=0)
    terms, store = parts.terms, parts.store
    recovered = recover(parts.entries())  # (2)
    store.consumed.rebuild(recovered.consumed)
    statements = StatementsOnFile(  # (3)
        parts.files.read_all().values(),
        terms.root,
        now=now,
        skew_s=terms.bundle.skew_s,
        lifetimes=terms.bundle.lifetimes,
    )
    limits = terms.bundle.limits  # (4)
    service = Service(
        terms=terms,
        statements=statements,
        suspensions=Suspensions.verify_all(
            (each.document for each in store.suspensions.standing(now)), terms.root, now
        ),
        log=parts.log,
        desk=Desk(
            holds=store.holds,
            consumed=store.consumed,
            key=parts.hold_key,
            roles=terms.bundle.approvals,
            ttl=timedelta(seconds=limits.hold_ttl_s),
            limit=limits.max_open_holds_per_workload,
            skew_s=terms.bundle.skew_s,
            longest=terms.bundle.approval_life,
        ),
        selector_keys=parts.selector_keys,
        digest_key=parts.digest_key,
        clock=clock,
        watch=Watch(terms.bundle.signals_read, parts.classifiers),
        last_entry_at=recovered.last_at,
        on_file_at=recovered.filed_at,
    )
    metrics, refusals = Metrics(), Refusals()
    callers = Callers(service, store.nonces, public_url=settings.public_url)
    forwarder = Forwarder(
        service=service,
        client=parts.client,
        metrics=metrics,
        permit_key=parts.permit_key,
        upstream_keys=parts.upstream_keys,
    )
    enforcers = {
        wire.path: Enforcer(
            wire,
            service=service,
            callers=callers,
            forwarder=forwarder,
            metrics=metrics,
            refusals=refusals,
            max_body_bytes=settings.max_body_bytes,
            body_timeout_s=settings.body_timeout_s,
        )
        for wire in wires(terms.bundle)
    }
    return Gateway(
        settings=settings,
        terms=terms,
        service=service,
        writer=parts.log,
        store=store,
        client=parts.client,
        files=parts.files,
        metrics=metrics,
        refusals=refusals,
        callers=callers,
        enforcers=enforcers,
        models=Models(terms.bundle, callers, service),
        api=Api(
            service=service,
            holds=store.holds,
            suspensions=store.suspensions,
            statements=parts.files,
            callers=callers,
            enforcers=enforcers,
            archive=settings.archive_folder,
            log_folder=settings.log_folder,
            entries=parts.entries,
        ),
        recovered=recovered,
        _tasks=[],
    )


class App:
    """The ASGI application of one gateway: start, stop, and its router for everything between."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._router = Router(
            enforcers=gateway.enforcers,
            api=gateway.api,
            models=gateway.models,
            metrics=gateway.metrics,
            refusals=gateway.refusals,
            now=gateway.service.now,
            why_not_ready=gateway.why_not_ready,
            max_concurrent=gateway.settings.max_concurrent,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection's request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._router(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.gateway.start()
                except CountermarkError as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.gateway.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def make_app(settings: Settings, *, clock: Clock = system_clock) -> App:
    """Settings in, ASGI app out.

    Raises:
        CountermarkError: As `open_gateway`.
    """
    return App(open_gateway(settings, clock=clock))
