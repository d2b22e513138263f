"""A gateway's own API with a person's key: over HTTP, or in this process on the folder where no server runs.

Both ways the same code answers, so what is checked and what is entered in the log is the same.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from countermark.app import KEY_GATEWAY, App, make_app
from countermark.attestation.keys import PrivateKey
from countermark.client_auth import sign_request
from countermark.clock import Clock, system_clock
from countermark.config import SETTINGS_FILE, Settings, read_settings
from countermark.errors import CountermarkError, LogError, MalformedError, SettingsError

PREFIX: Final = "/countermark/v1/"
CREDENTIAL: Final = "Bearer countermark-person"
"""The proof covers a credential header; a person has no API key, so it says only what kind of caller this is."""
TIMEOUT_S: Final = 30
MAX_ANSWER_BYTES: Final = 80 << 20
_LOCAL_HOSTS: Final = ("127.0.0.1", "::1", "localhost")


class ApiError(CountermarkError):
    """The gateway refused a call.

    Attributes:
        status: HTTP status.
        kind: Name of the error (`HoldClosedError`), as the gateway gives it.
    """

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class Client(Protocol):
    """One gateway's API, authenticated."""

    @property
    def where(self) -> str:
        """Address or folder, for messages."""
        ...

    def call(self, method: str, path: str, body: bytes = b"") -> Any:
        """Call `path` below `/countermark/v1/` and return the parsed answer.

        Raises:
            ApiError: The gateway refused; its message says why.
            CountermarkError: It was not reached, or its answer can't be read.
        """
        ...


def _signed_headers(
    key: PrivateKey, *, method: str, target_uri: str, body: bytes, clock: Clock
) -> dict[str, str]:
    return {
        "authorization": CREDENTIAL,
        **sign_request(
            method=method,
            target_uri=target_uri,
            credential_header="authorization",
            credential=CREDENTIAL,
            body=body,
            private_key=key,
            keyid=key.public.keyid,
            created=int(clock().timestamp()),
            nonce=secrets.token_urlsafe(24),
        ),
    }


def _answer(status: int, body: bytes) -> Any:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise MalformedError(
            f"expected JSON from a gateway, got status {status}: is this its address?"
        ) from error
    if status < 300:
        return document
    detail = document.get("error") if isinstance(document, dict) else None
    if not isinstance(detail, dict):
        raise ApiError(status, "Error", f"the gateway answered with status {status}")
    raise ApiError(status, str(detail.get("type", "Error")), str(detail.get("message", f"status {status}")))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed request is for the address that was signed."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class HttpClient:
    """The API over HTTP."""

    def __init__(
        self, url: str, key: PrivateKey, *, public_url: str | None = None, clock: Clock = system_clock
    ) -> None:
        """Call the gateway at `url`.

        Args:
            public_url: What the gateway's settings say that callers write, where that differs.

        Raises:
            SettingsError: Not an `http://` or `https://` address.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise SettingsError(f"expected an address like `https://gateway.example`, got `{url[:100]}`")
        self._url = url.rstrip("/")
        self._signed_url = (public_url or self._url).rstrip("/")
        self._key = key
        self._clock = clock
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if parts.hostname in _LOCAL_HOSTS:
            handlers.append(urllib.request.ProxyHandler({}))  # a proxy elsewhere can't reach this machine
        self._opener = urllib.request.build_opener(*handlers)

    @property
    def where(self) -> str:
        """See `Client.where`."""
        return self._url

    def call(self, method: str, path: str, body: bytes = b"") -> Any:
        """See `Client.call`."""
        headers = _signed_headers(
            self._key,
            method=method,
            target_uri=f"{self._signed_url}{PREFIX}{path}",
            body=body,
            clock=self._clock,
        )
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            f"{self._url}{PREFIX}{path}",
            data=body if method == "POST" else None,
            method=method,
            headers={"content-type": "application/octet-stream", **headers},
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                return _answer(response.status, _read(response))
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, _read(error))
        except (urllib.error.URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise SettingsError(f"expected a gateway at `{self._url}`: {reason}") from error


def _read(response: Any) -> bytes:
    data: bytes = response.read(MAX_ANSWER_BYTES + 1)
    if len(data) > MAX_ANSWER_BYTES:
        raise MalformedError(f"expected an answer of at most {MAX_ANSWER_BYTES} bytes from the gateway")
    return data


class FolderClient:
    """The API in this process, on the working folder of a gateway that isn't running.

    Use it as `with FolderClient(settings, key) as client:`; while it is open, no gateway can start on the folder.
    """

    def __init__(self, settings: Settings, *, clock: Clock = system_clock) -> None:
        """Prepare to open the folder. Its calls are the runner's, with the gateway's own key.

        Raises:
            SettingsError: The key can't be read.
        """
        self._settings = settings
        self._key = PrivateKey.load(settings.keys_folder / KEY_GATEWAY)
        self._clock = clock
        self._runner = asyncio.Runner()
        self._app: App | None = None

    @property
    def where(self) -> str:
        """See `Client.where`."""
        return str(self._settings.folder)

    def __enter__(self) -> FolderClient:
        async def enter() -> App:
            app = make_app(self._settings, clock=self._clock)
            await app.gateway.start()
            return app

        try:
            self._app = self._runner.run(enter())
        except BaseException as error:
            self._runner.close()
            if isinstance(error, LogError) and "process" in str(error):
                raise SettingsError(
                    f"expected the folder `{self._settings.folder}` free, but a gateway runs on it: name its "
                    "address with --url"
                ) from error
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._app is not None:
            self._runner.run(self._app.gateway.stop())
        self._runner.close()

    def call(self, method: str, path: str, body: bytes = b"") -> Any:
        """See `Client.call`."""
        assert self._app is not None, "the folder is not open"  # noqa: S101
        base = self._settings.public_url or "http://localhost"
        headers = _signed_headers(
            self._key,
            method=method,
            target_uri=f"{base.rstrip('/')}{PREFIX}{path}",
            body=body,
            clock=self._clock,
        )
        return self._runner.run(_ask_app(self._app, method, f"{PREFIX}{path}", headers, body))


async def _ask_app(app: App, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
    sent = False
    status = 0
    pieces: list[bytes] = []

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            pieces.append(message.get("body", b""))

    only_path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": only_path,
        "raw_path": only_path.encode(),
        "query_string": query.encode(),
        "headers": [
            (b"host", b"localhost"),
            *((name.encode(), value.encode()) for name, value in headers.items()),
        ],
    }
    await app(scope, receive, send)
    return _answer(status, b"".join(pieces))


def _listens(settings: Settings) -> bool:
    """Whether a gateway answers where the settings say that this one listens."""
    if settings.port == 0:
        return False
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{host}:{settings.port}/healthz", timeout=2) as response:
            return b'"alive"' in response.read(200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


@contextmanager
def connect(folder: Path, *, url: str | None, key: PrivateKey | None) -> Iterator[Client]:
    """The gateway at `url`; else the one that runs on `folder`; else, where none runs, the folder itself.

    Who has the folder has the gateway's own key, and calls as its runner.

    Args:
        key: Whose call it is, with `url`.

    Raises:
        SettingsError: No key, no such folder, or nothing there.
    """
    if url is None:
        if not (folder / SETTINGS_FILE).is_file():
            raise SettingsError(
                f"expected a gateway's working folder in `{folder.resolve()}`: name it with --dir, or an address "
                "with --url"
            )
        settings = read_settings(folder)
        if not _listens(settings):
            with FolderClient(settings) as client:
                yield client
            return
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        own = PrivateKey.load(settings.keys_folder / KEY_GATEWAY)
        yield HttpClient(f"http://{host}:{settings.port}", own, public_url=settings.public_url)
        return
    if key is None:
        raise SettingsError("expected your key to call a gateway: name it with --key")
    yield HttpClient(url, key)
