"""For applications: signs every request of the official clients, so that a copied API key is worth nothing alone.

    from countermark.client_auth import SignatureAuth
    client = OpenAI(
        base_url="http://127.0.0.1:8089/v1", api_key="office-1",
        http_client=openai.DefaultHttpxClient(auth=SignatureAuth(PrivateKey.load(Path("office.key")))),
    )

`anthropic.DefaultHttpxClient` likewise, and the `DefaultAsyncHttpxClient` of both. Each retry is signed anew. The
clients take only hooks of the HTTP library that they use themselves (`httpx2`, formerly `httpx`), which is therefore
imported when `SignatureAuth` is first asked for, and is no dependency of this package.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import secrets
from collections.abc import Generator
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from countermark.attestation.keys import ED25519, PrivateKey
from countermark.clock import Clock, system_clock
from countermark.errors import KeyTypeError, SettingsError
from countermark.evidence.possession import ALGORITHM, TAG, components, content_digest, signature_base

LABEL: Final = "cm"
HTTP_LIBRARIES: Final = ("httpx2", "httpx")


def sign_request(
    *,
    method: str,
    target_uri: str,
    credential_header: str,
    credential: str,
    body: bytes,
    private_key: PrivateKey,
    keyid: str,
    created: int,
    nonce: str,
) -> dict[str, str]:
    """The three header fields that prove possession of `private_key` for this request.

    Args:
        credential_header: `authorization` or `x-api-key`, whichever the request carries.
        created: Seconds since 1970.
        nonce: 16 to 64 characters of `[A-Za-z0-9_-]`, never used again.

    Raises:
        KeyTypeError: Not an Ed25519 key.

    Source: spec/possession.md; RFC 9421; RFC 9530.
    """
    if private_key.public.keytype != ED25519:
        raise KeyTypeError(f"expected an ed25519 key to sign requests, got `{private_key.public.keytype}`")
    digest = content_digest(hashlib.sha256(body).digest())
    parameters = (
        f"{components(credential_header)};created={created}"
        f';nonce="{nonce}";keyid="{keyid}";alg="{ALGORITHM}";tag="{TAG}"'
    )
    base = signature_base(
        method=method,
        target_uri=target_uri,
        content_digest=digest,
        credential_header=credential_header,
        credential=credential,
        parameters=parameters,
    )
    signature = base64.b64encode(private_key.sign(base)).decode("ascii")
    return {
        "content-digest": digest,
        "signature-input": f"{LABEL}={parameters}",
        "signature": f"{LABEL}=:{signature}:",
    }


class _Signing:
    """What the hook does, whatever HTTP library it is made for."""

    requires_request_body = True

    def __init__(
        self, private_key: PrivateKey, keyid: str | None = None, *, clock: Clock = system_clock
    ) -> None:
        """Sign with `private_key`.

        Args:
            keyid: The key's id where it isn't the computed one.
        """
        self._key = private_key
        self._keyid = keyid or private_key.public.keyid
        self._clock = clock

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Called by the HTTP library for every attempt; adds the three header fields."""
        header = next((name for name in ("authorization", "x-api-key") if name in request.headers), None)
        if header is None:
            raise SettingsError("expected an API key in the client: pass the credential's name as `api_key`")
        if header == "authorization":
            # both would leave one uncovered, and the gateway refuses that
            request.headers.pop("x-api-key", None)
        request.headers.update(
            sign_request(
                method=request.method,
                target_uri=str(request.url),
                credential_header=header,
                credential=request.headers[header].strip(),
                body=request.content,
                private_key=self._key,
                keyid=self._keyid,
                created=int(self._clock().timestamp()),
                nonce=secrets.token_urlsafe(24),
            )
        )
        yield request


if TYPE_CHECKING:

    class SignatureAuth(_Signing):
        """Auth hook for the official clients: `SignatureAuth(private_key, keyid=None)`."""


@cache
def _signature_auth() -> type[_Signing]:
    bases: list[type] = []
    for library in HTTP_LIBRARIES:
        try:
            bases.append(importlib.import_module(library).Auth)
        except ImportError:
            continue
    if not bases:
        raise SettingsError(
            "expected `httpx2` (or `httpx`) to be installed: it comes with `pip install openai`"
        )
    # with both installed it is a hook for both: older clients use the one, newer ones the other
    return type("SignatureAuth", (_Signing, *bases), {"__doc__": "Auth hook for the official clients."})


def __getattr__(name: str) -> Any:
    """Make `SignatureAuth` when it is first asked for.

    Raises:
        SettingsError: Neither `httpx2` nor `httpx` is installed.
    """
    if name == "SignatureAuth":
        return _signature_auth()
    raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
