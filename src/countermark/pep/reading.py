"""What a wire format reads from bytes, as values, and what it answers with: the border between formats and enforcement.

Nothing here does I/O. A format never changes what it read: the bytes that were read are the bytes that are sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol

from countermark.content.request_json import parse_json_value
from countermark.errors import MalformedError
from countermark.strictjson import MAX_DEPTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a reader accepts at most. The bundle may set lower ones."""

    max_bytes: int = 32 << 20
    """A body; 32 MiB is what the Anthropic API takes, images included."""
    max_depth: int = MAX_DEPTH
    """Levels of JSON nesting."""
    max_event_bytes: int = 1 << 20
    """One event of a stream, from its first line to the empty line that ends it."""
    max_held_bytes: int = 16 << 20
    """Bytes of a stream that wait for the decision on a tool call."""


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an entry says was seen of a message.

    Attributes:
        parts: Pieces of content: texts that were read, and parts that were counted but not interpreted.
        bytes: Length of the whole message.
        sha256: Digest of the whole message, 64 hex digits.
    """

    parts: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One tool call that the model asks for.

    Attributes:
        choice: Index of the choice it stands in; 0 where the API has no choices.
        index: Its place within the choice (Chat), or the index of its content block (Messages).
        name: As the model calls it; `toolset.member` for a member of a toolset.
        arguments: JSON text as the model wrote it, which may be malformed (`parse_arguments`); for a custom tool,
            whose input is free text, that text as a JSON string.
    """

    choice: int
    index: int
    call_id: str
    name: str
    arguments: str


def parse_arguments(call: ToolCall, *, limits: Limits = DEFAULT_LIMITS) -> Any:
    """The arguments of a tool call as strict JSON; empty arguments are an empty object, as clients read them.

    Raises:
        MalformedError: Not strict JSON (for example cut off by `max_tokens`): such a call can't be decided.
    """
    if not call.arguments.strip(" \t\r\n"):
        return {}
    try:
        data = call.arguments.encode()
    except UnicodeEncodeError as error:
        raise MalformedError(f"expected arguments of `{call.name[:60]}` without lone surrogates") from error
    return parse_json_value(data, max_bytes=limits.max_bytes, max_depth=limits.max_depth)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptReading:
    """What a request says.

    Attributes:
        model: The model's name as the caller wrote it.
        stream: The caller wants the answer as a stream.
        tools: Names of the tools offered to the model; `toolset.*` where a whole toolset is.
        texts: Every string of content, of all roles, with tool results, tool calls, schemas and identifiers.
        unread: Content that was counted but that nobody here interprets, by media type (`image/png`,
            `application/pdf`) or as `sealed/...` (what the model's maker encrypted, such as a thinking signature).
        claims: What the caller says of the context of use. May only restrict.
    """

    model: str
    stream: bool
    tools: tuple[str, ...]
    texts: tuple[str, ...]
    unread: tuple[str, ...]
    claims: Mapping[str, str]
    seen: Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerReading:
    """What an answer says.

    Attributes:
        calls: Tool calls in order of choice and place.
        texts: Every string of content; arguments of tool calls too.
        unread: As in `PromptReading`.
        finish: The reason why each choice ended, in order of the choices.
    """

    calls: tuple[ToolCall, ...]
    texts: tuple[str, ...]
    unread: tuple[str, ...]
    finish: tuple[str, ...]
    seen: Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Bytes of a stream that carry no tool call: to be released verbatim under `release`."""

    raw: bytes
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Bytes of a stream with complete tool calls: to be released verbatim once every one of them is permitted."""

    raw: bytes
    calls: tuple[ToolCall, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The stream is over.

    Attributes:
        complete: It ended as its format says. False: cut off, or ended by an error event of the upstream.
        withheld: Bytes that are in no piece, since they belong to a tool call or event that never became complete.
        events: Number of events read.
        finish: As in `AnswerReading`.
    """

    complete: bool
    withheld: int
    events: int
    finish: tuple[str, ...]


Piece = Pass | Calls | Finished


class StreamReader(Protocol):
    """Reads the answer as it comes. The `raw` of all pieces, in order, is the input less what is `withheld`."""

    def feed(self, chunk: bytes) -> list[Piece]:
        """Read the next bytes, cut anywhere.

        Raises:
            MalformedError: Not a stream of this format; nothing more may be released, and the reader is used up.
        """
        ...

    def close(self) -> list[Piece]:
        """The upstream sent its last byte. The last piece is `Finished`.

        Raises:
            MalformedError: As `feed`.
        """
        ...


class ErrorKind(StrEnum):
    """Why the caller gets no answer; each has one status (`STATUS`) and one code (`spec/errors.md`)."""

    DENIED = "denied"
    HOLD = "hold"
    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    UPSTREAM = "upstream"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"


STATUS: Final[Mapping[ErrorKind, int]] = MappingProxyType(
    {
        ErrorKind.DENIED: 403,
        ErrorKind.HOLD: 428,  # RFC 6585, section 3; neither client retries it
        ErrorKind.MALFORMED: 400,
        ErrorKind.UNAUTHENTICATED: 401,
        ErrorKind.NOT_FOUND: 404,
        ErrorKind.NOT_ALLOWED: 405,
        ErrorKind.TOO_LARGE: 413,
        ErrorKind.TOO_MANY: 429,
        ErrorKind.UPSTREAM: 502,
        ErrorKind.UNAVAILABLE: 503,
        ErrorKind.TIMEOUT: 504,
    }
)


class WireFormat(Protocol):
    """One API: how its requests, answers, streams and errors look."""

    @property
    def name(self) -> str:
        """`openai` or `anthropic`."""
        ...

    @property
    def path(self) -> str:
        """The endpoint that is read, as the caller and the upstream name it."""
        ...

    def read_request(self, body: bytes, *, limits: Limits = DEFAULT_LIMITS) -> PromptReading:
        """Read a request's body.

        Raises:
            NotCarriedError: A field, part or value that the table refuses or doesn't know: a DENY that names it.
            MalformedError: Not strict JSON, or not of the shape that the table names: 400 (413 for TooLargeError).
        """
        ...

    def read_answer(self, body: bytes, *, limits: Limits = DEFAULT_LIMITS) -> AnswerReading:
        """Read the body of an answer that is not streamed (status 200).

        Raises:
            MalformedError: As `read_request`; the caller gets 502, since nobody saw what would be released.
        """
        ...

    def stream_reader(self, *, limits: Limits = DEFAULT_LIMITS) -> StreamReader:
        """A reader for one streamed answer."""
        ...

    def error_body(
        self, kind: ErrorKind, message: str, countermark: Mapping[str, Any] | None = None
    ) -> bytes:
        """The body of an error in the API's own shape, for status `STATUS[kind]`."""
        ...

    def stream_error(
        self, kind: ErrorKind, message: str, countermark: Mapping[str, Any] | None = None
    ) -> bytes:
        """The event that ends a stream whose status was already sent; the official client raises on it."""
        ...
