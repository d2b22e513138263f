"""Every setting of one gateway, with unit, default and reason. Settings can only restrict.

What could loosen a decision (routes, limits, skew, lifetimes, observe) stands in the signed bundle; which credential is
which workload, in a statement; who may say what, in the trust root. A limit here takes effect where it is stricter than
the bundle's, never where it is looser.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from countermark.errors import SettingsError
from countermark.signals.server import Server

SETTINGS_FILE = "settings.toml"
CLASSIFIER_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings:
    """How this gateway logs in to one upstream of the bundle. The address stands in the bundle, not here."""

    key_env: str | None = None
    """Name of the environment variable that holds the upstream's API key."""
    key_file: Path | None = None
    """File that holds the upstream's API key; mode 0600."""
    ca_file: Path | None = None
    """PEM file of certificate authorities to trust instead of the system's."""

    def read_key(self) -> str | None:
        """The upstream's API key, or None where it needs none.

        Raises:
            SettingsError: The variable is unset, or the file can't be read or is readable by others.
        """
        return _read_key(self.key_env, self.key_file, "the upstream's key")


def _read_key(key_env: str | None, key_file: Path | None, what: str) -> str | None:
    if key_env is not None:
        value = os.environ.get(key_env)
        if not value:
            raise SettingsError(f"expected {what} in the environment variable `{key_env}`")
        return value
    if key_file is not None:
        try:
            if key_file.stat().st_mode & 0o077:
                raise SettingsError(f"expected `{key_file}` to be readable by its owner only: chmod 600")
            return key_file.read_text().strip()
        except OSError as error:
            raise SettingsError(f"expected {what} in `{key_file}`: {error.strerror}") from error
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSettings:
    """How this gateway reaches the server of a classifier. Which classifier, model and threshold the bundle says."""

    url: str | None = None
    """Address of the server, up to where its API's own paths begin (`https://guard.example/v1`)."""
    key_env: str | None = None
    """Name of the environment variable that holds the server's API key."""
    key_file: Path | None = None
    """File that holds the server's API key; mode 0600."""
    ca_file: Path | None = None
    """PEM file of certificate authorities to trust instead of the system's."""
    template_file: Path | None = None
    """For `chat-guard`: the template that the model is asked with, where it is not the one that comes with the package.
    Its digest stands in the bundle."""
    timeout_s: float = CLASSIFIER_TIMEOUT_S
    """How long a classifier may take over one request; after that its signal is unknown."""

    def server(self) -> Server | None:
        """How to reach it, with its key; None where there is no `url`.

        Raises:
            SettingsError: The key can't be read, as in `UpstreamSettings.read_key`.
        """
        if self.url is None:
            return None
        key = _read_key(self.key_env, self.key_file, "the classifier's key")
        return Server(url=self.url, key=key, ca_file=self.ca_file, timeout_s=self.timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One gateway's settings. Paths are absolute; `folder` is the working folder they are resolved against."""

    folder: Path
    gateway: str = "gw-1"
    """This gateway's name in the trust root, which says who runs it and which key is its own."""
    host: str = "127.0.0.1"
    """Address to listen on. The default keeps a new gateway off the network until somebody decides otherwise."""
    port: int = 8400
    """TCP port to listen on; 0 takes a free one."""
    max_body_bytes: int = 8 << 20
    """Largest request body read; the bundle's limit applies where it is smaller."""
    max_header_bytes: int = 32 << 10
    """Largest header block read."""
    body_timeout_s: float = 30.0
    """Time for a caller to send the head of its request, and again for its whole body; a slow sender is cut off."""
    max_concurrent: int = 512
    """Requests under way at once; one more is refused with 503, before its body is read."""
    segment_mib: int = 64
    """Size of a log segment, preallocated."""
    checkpoint_interval_s: float = 0.5
    """How often new entries get a signed checkpoint and tiles."""
    shutdown_grace_s: float = 10.0
    """How long a stopping gateway waits for answers under way."""
    public_url: str | None = None
    """The address that callers use (scheme and host), where a proxy or a name stands before the gateway: proofs of
    possession sign it. None takes the address and port that a connection came to, and no other `Host`."""
    upstreams: Mapping[str, UpstreamSettings] = field(default_factory=dict)
    """By the bundle's upstream name."""
    signals: Mapping[str, SignalSettings] = field(default_factory=dict)
    """By the bundle's name for what a classifier looks at (`content`)."""

    @property
    def trust_root_file(self) -> Path:
        """The pinned trust root: a DSSE envelope signed by every side."""
        return self.folder / "trust-root.json"

    @property
    def bundle_folder(self) -> Path:
        """The bundle in force, with its approval beside it (`bundle-approval.jsonl`)."""
        return self.folder / "bundle"

    @property
    def bundle_approval_file(self) -> Path:
        """Envelopes by which the sides approved the bundle."""
        return self.folder / "bundle-approval.jsonl"

    @property
    def statements_folder(self) -> Path:
        """Statements on file, one `<sha256>.jsonl` each."""
        return self.folder / "statements"

    @property
    def keys_folder(self) -> Path:
        """This gateway's own secrets, mode 0700."""
        return self.folder / "keys"

    @property
    def state_file(self) -> Path:
        """SQLite: holds, nonces, what was consumed."""
        return self.folder / "state.sqlite"

    @property
    def log_folder(self) -> Path:
        """The transparency log: segments, checkpoint, tiles."""
        return self.folder / "log"

    @property
    def archive_folder(self) -> Path:
        """Every bundle and trust root that was ever in force here, by digest, so that the log can be replayed."""
        return self.folder / "archive"


_TABLES = {"gateway": ("name", "host", "port", "public_url"), "log": ("segment_mib", "checkpoint_interval_s")}
_LIMITS = ("max_body_bytes", "max_header_bytes", "body_timeout_s", "max_concurrent", "shutdown_grace_s")
_RENAMED = {"name": "gateway"}


def _typed(name: str, value: Any, where: str) -> Any:
    wanted = {f.name: f.type for f in fields(Settings)}[name]
    if wanted == "float" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    kind: type = {"int": int, "float": float}.get(str(wanted), str)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise SettingsError(f"expected `{where}` to be {kind.__name__}, got `{value!r}`")
    if isinstance(value, int | float) and (value < 0 or (value == 0 and name != "port")):
        raise SettingsError(f"expected `{where}` to be positive, got `{value}`")
    return value


def _upstream(name: str, table: Any, folder: Path) -> UpstreamSettings:
    if not isinstance(table, dict):
        raise SettingsError(f"expected `[upstreams.{name}]` to be a table")
    if unknown := set(table) - {"key_env", "key_file", "ca_file"}:
        raise SettingsError(
            f"expected `key_env`, `key_file` or `ca_file` in `[upstreams.{name}]`, got `{sorted(unknown)[0]}`"
        )
    if not all(isinstance(value, str) for value in table.values()):
        raise SettingsError(f"expected texts in `[upstreams.{name}]`")
    return UpstreamSettings(
        key_env=table.get("key_env"),
        key_file=folder / table["key_file"] if "key_file" in table else None,
        ca_file=folder / table["ca_file"] if "ca_file" in table else None,
    )


def _signal(name: str, table: Any, folder: Path) -> SignalSettings:
    where = f"[signals.{name}]"
    if not isinstance(table, dict):
        raise SettingsError(f"expected `{where}` to be a table")
    known = [each.name for each in fields(SignalSettings)]
    if unknown := set(table) - set(known):
        raise SettingsError(f"expected one of {', '.join(known)} in `{where}`, got `{sorted(unknown)[0]}`")
    timeout_s = table.get("timeout_s", CLASSIFIER_TIMEOUT_S)
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not 0 < timeout_s <= 600:
        raise SettingsError(
            f"expected `timeout_s` in `{where}` over 0 and up to 600 seconds, got `{timeout_s}`"
        )
    texts = {key: value for key, value in table.items() if key != "timeout_s"}
    if not all(isinstance(value, str) for value in texts.values()):
        raise SettingsError(f"expected texts in `{where}`")
    if "url" in texts and not re.fullmatch(r"https?://[^\s?#@]{1,200}", texts["url"]):
        raise SettingsError(
            f"expected `url` in `{where}` like `https://guard.example/v1`, without user or query"
        )
    files = {key: folder / texts[key] for key in ("key_file", "ca_file", "template_file") if key in texts}
    return SignalSettings(
        url=texts["url"].rstrip("/") if "url" in texts else None,
        key_env=texts.get("key_env"),
        timeout_s=float(timeout_s),
        **files,
    )


def read_settings(folder: Path) -> Settings:
    """Read `settings.toml` in the working folder; every field is optional, an unknown one is an error.

    Raises:
        SettingsError: The file is missing or holds something that this version does not know.
    """
    folder = folder.resolve()
    path = folder / SETTINGS_FILE
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise SettingsError(f"expected `{path}`: run `countermark init {folder}` first") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"expected TOML in `{path}`: {error}") from error
    known = {**_TABLES, "limits": _LIMITS}
    values: dict[str, Any] = {}
    for table, content in document.items():
        if table == "upstreams":
            if not isinstance(content, dict):
                raise SettingsError("expected `[upstreams.NAME]` tables")
            values["upstreams"] = {name: _upstream(name, sub, folder) for name, sub in content.items()}
            continue
        if table == "signals":
            if not isinstance(content, dict):
                raise SettingsError("expected `[signals.NAME]` tables")
            values["signals"] = {name: _signal(name, sub, folder) for name, sub in content.items()}
            continue
        if table not in known or not isinstance(content, dict):
            raise SettingsError(
                f"expected the tables gateway, limits, log, upstreams and signals in `{path}`, got `{table}`"
            )
        for key, value in content.items():
            if key not in known[table]:
                raise SettingsError(f"expected one of {', '.join(known[table])} in `[{table}]`, got `{key}`")
            field_name = str(_RENAMED.get(key, key))
            values[field_name] = _typed(field_name, value, f"{table}.{key}")
    return Settings(folder=folder, **values)


def read_secret(path: Path) -> bytes:
    """Read a secret of 32 bytes, written as 64 hex digits in a file that only its owner can read.

    Raises:
        SettingsError: Missing, readable by others, or of another form.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise SettingsError(f"expected `{path}` to be readable by its owner only: chmod 600")
        secret = bytes.fromhex(path.read_text().strip())
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise SettingsError(f"expected 64 hex digits in `{path}`: {error}") from error
    if len(secret) != 32:
        raise SettingsError(f"expected 64 hex digits in `{path}`, got {2 * len(secret)}")
    return secret


SETTINGS_TEMPLATE = """\
# Settings of one gateway. Everything here can only restrict: what could loosen a decision stands in the signed
# bundle, in a statement, or in the trust root. Every line is optional; the defaults are shown.

[gateway]
name = "{gateway}"          # this gateway's name in trust-root.json
host = "127.0.0.1"      # address to listen on
port = {port}             # TCP port; 0 takes a free one
# public_url = "https://gateway.example"   # where callers reach it, if a proxy or a name stands before it

[limits]
max_body_bytes = 8388608      # bytes; the bundle's limit applies where it is smaller
max_header_bytes = 32768      # bytes
body_timeout_s = 30.0         # seconds for a caller to send its whole body
max_concurrent = 512          # requests under way at once
shutdown_grace_s = 10.0       # seconds that a stopping gateway waits for answers under way

[log]
segment_mib = 64              # MiB, preallocated; smaller for small disks
checkpoint_interval_s = 0.5   # seconds between signed checkpoints

# How to log in to an upstream that the bundle names. Its address stands in the bundle.
# [upstreams.provider]
# key_env = "PROVIDER_API_KEY"     # or: key_file = "keys/provider.key" (mode 0600)
# ca_file = "provider-ca.pem"

# How to reach the server of a classifier that the bundle names; `offline-1` and `minilm-1` need none.
# [signals.content]
# url = "https://guard.example/v1"
# key_env = "GUARD_API_KEY"        # or: key_file = "keys/guard.key" (mode 0600)
# timeout_s = 5.0                  # seconds; after that the signal is unknown
"""
