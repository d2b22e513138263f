"""The tables of fields: shapes that say of every value in a message whether it is inert, read, or refused.

A table is a `Shape`: a tree that names each object's fields, each union's members and each leaf's kind. It is compiled
once into functions that walk a parsed message, put every text of it into a `Gathered` and raise where the table has no
entry; `fields_table.py` writes the same tree as `spec/fields.md`. Table and walk can't differ, since there is one tree.

`null` is accepted for every known field: it carries nothing, and both APIs read it as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from countermark.content.request_json import parse_json_value
from countermark.errors import MalformedError, NotCarriedError

NOT_YET: Final[Mapping[str, str]] = MappingProxyType(
    {
        "/v1/responses": "the Responses API is not read yet; use `/v1/chat/completions` (`client.chat.completions`)",
        "/v1/completions": "legacy completions are not read; use `/v1/chat/completions`",
        "/v1/complete": "legacy text completions are not read; use `/v1/messages`",
        "/v1/embeddings": "embeddings are not read yet; there is no path for them through this gateway",
        "/v1/messages/batches": "batches run later and elsewhere; send the requests one by one to `/v1/messages`",
        "/v1/messages/count_tokens": "counting tokens would send the content undecided; count with a local tokenizer",
        "/v1/batches": "batches run later and elsewhere; send the requests one by one to `/v1/chat/completions`",
        "/v1/files": "files kept at the provider are not seen at use; put the content inline into the message",
        "/v1/uploads": "files kept at the provider are not seen at use; put the content inline into the message",
        "/v1/assistants": "assistants keep state at the provider; send conversations whole to `/v1/chat/completions`",
        "/v1/threads": "threads keep state at the provider; send the whole conversation to `/v1/chat/completions`",
        "/v1/conversations": "conversations keep state at the provider; send them whole to `/v1/chat/completions`",
        "/v1/vector_stores": "vector stores are searched at the provider, unseen; put what was found into the message",
        "/v1/containers": "containers execute at the provider, unseen; offer tools that the client executes",
        "/v1/skills": "skills are kept and executed at the provider, unseen; offer tools that the client executes",
        "/v1/fine_tuning": "training a model is not a use of one that this gateway decides about",
        "/v1/images": "image generation is not read yet; there is no path for it through this gateway",
        "/v1/audio": "speech and transcription are not read yet; there is no path for them through this gateway",
        "/v1/videos": "video generation is not read yet; there is no path for it through this gateway",
        "/v1/realtime": "realtime sessions are not read yet; use `/v1/chat/completions`",
        "/v1/moderations": "moderation is not read yet; there is no path for it through this gateway",
    }
)
"""Paths of both APIs that are refused, with what to do instead. The lead-in of a longer path counts (`/v1/files/x`)."""


def not_yet(path: str) -> str | None:
    """Why a path of the APIs is not served, or None where it is none of theirs."""
    while path:
        if path in NOT_YET:
            return NOT_YET[path]
        path = path.rpartition("/")[0]
    return None


class Kind(StrEnum):
    """What the table says of a value."""

    INERT = "inert"
    """Forwarded; of a type, or one of the named words, so that no text rides along."""
    CONTENT = "content"
    """Read: its strings are among the texts."""
    OPAQUE = "opaque"
    """Content that nobody here interprets (images, sealed thinking): counted and named among `unread`."""
    REFERENCE = "reference"
    """State or execution elsewhere: refused."""


@dataclass(slots=True)
class Gathered:
    """What a walk found; see `PromptReading`."""

    texts: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


Walk = Callable[[Any, Gathered], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """Fields that a bundle adds to a table, by path: `content` (all strings are read) or `inert` (a number or flag).

    This is how the sides allow what the table doesn't know; a bundle can't make a reference inert.
    """

    kinds: Mapping[str, Kind] = field(default_factory=dict)

    def shapes(self, path: str) -> Iterator[tuple[str, Shape]]:
        """The added fields of the object at `path`, by name."""
        for added, kind in self.kinds.items():
            parent, _, name = added.rpartition(".")
            if parent == path:
                yield name, TREE if kind is Kind.CONTENT else SCALAR


NO_EXTRAS: Final = Extras()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A value of one shape. Subclasses compile to a walk and name what they are made of."""

    def compile(self, path: str, extras: Extras) -> Walk:
        """The function that walks such a value; `path` is what errors name."""
        raise TypeError(f"a shape of its own is needed at `{path}`")

    def parts(self, path: str) -> Iterator[tuple[str, Shape]]:
        """The shapes that this one is made of, each with the path that errors name it by."""
        yield from ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf(Shape):
    """A value that is judged as a whole."""

    kind: Kind
    says: str
    make: Callable[[str], Walk]
    refused: Mapping[str, str] = field(default_factory=dict)
    """Words of the API that are refused, with what to do instead."""

    def compile(self, path: str, extras: Extras) -> Walk:
        return self.make(path)


def _typed(name: str, *types: type) -> Leaf:
    def make(path: str) -> Walk:
        def walk(value: Any, out: Gathered) -> None:
            if type(value) not in types:  # bool is no int here: type(), not isinstance()
                raise MalformedError(f"expected {name} at `{path}`, got {described(value)}")

        return walk

    return Leaf(kind=Kind.INERT, says=name, make=make)


def described(value: Any) -> str:
    """What a JSON value is, in words of the messages."""
    names = {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "a flag",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "null")


FLAG: Final = _typed("true or false", bool)
COUNT: Final = _typed("a whole number", int)
NUMBER: Final = _typed("a number", int, float)
SCALAR: Final = _typed("a number or flag", int, float, bool)


def words(*allowed: str, refused: Mapping[str, str] = MappingProxyType({})) -> Leaf:
    """One of a few words; another word is refused, since it would be text that nobody read.

    Args:
        refused: Words that the API knows and that are refused, with what to do instead.
    """
    known = frozenset(allowed)
    listed = ", ".join(f"`{word}`" for word in allowed)

    def make(path: str) -> Walk:
        def walk(value: Any, out: Gathered) -> None:
            if type(value) is not str:
                raise MalformedError(f"expected one of {listed} at `{path}`, got {described(value)}")
            if value not in known:
                raise NotCarriedError(
                    path, refused.get(value, f"expected one of {listed}, got `{value[:40]}`")
                )

        return walk

    spelled = "".join(f"; `{word}` is refused: {how}" for word, how in refused.items())
    return Leaf(kind=Kind.INERT, says=f"one of {listed}{spelled}", make=make, refused=refused)


def _make_text(path: str) -> Walk:
    def walk(value: Any, out: Gathered) -> None:
        if type(value) is not str:
            raise MalformedError(f"expected a string at `{path}`, got {described(value)}")
        out.texts.append(value)

    return walk


TEXT: Final = Leaf(kind=Kind.CONTENT, says="text", make=_make_text)

NAME: Final = Leaf(
    kind=Kind.CONTENT, says="read as the resource that is asked for", make=_typed("a string", str).make
)


def number_texts(value: float) -> tuple[str, ...]:
    """A number as texts: `1.5550199e7` is also written `15550199`, the form in which a telephone number is found."""
    if type(value) is float and value.is_integer():
        return (str(value), str(int(value)))
    return (str(value),)


def gather_tree(value: Any, texts: list[str]) -> None:
    """Put every string, key and number of a JSON value among the texts.

    Numbers too: a telephone or account number in tool arguments may be written as one.
    """
    level = [value]
    while level:
        below: list[Any] = []
        for node in level:
            kind = type(node)
            if kind is str:
                texts.append(node)
            elif kind is dict:
                texts.extend(node)
                below.extend(node.values())
            elif kind is list:
                below.extend(node)
            elif kind is int or kind is float:
                texts.extend(number_texts(node))
        level = below


TREE: Final = Leaf(
    kind=Kind.CONTENT,
    says="any JSON: every key, string and number in it",
    make=lambda path: lambda value, out: gather_tree(value, out.texts),
)


def _make_json_text(path: str) -> Walk:
    def walk(value: Any, out: Gathered) -> None:
        if type(value) is not str:
            raise MalformedError(f"expected a string at `{path}`, got {described(value)}")
        out.texts.append(value)
        if "\\" in value:  # escapes such as \u0040 hide from a reader of the raw text
            try:
                gather_tree(parse_json_value(value.encode(), max_bytes=len(value) * 4), out.texts)
            except MalformedError:  # models write broken arguments; the raw text was read
                return

    return walk


JSON_TEXT: Final = Leaf(
    kind=Kind.CONTENT, says="JSON in a string: the text, and what its escapes stand for", make=_make_json_text
)


def reference(how: str, *harmless: Any) -> Leaf:
    """State or execution elsewhere: refused, unless the value is one that switches it off.

    Args:
        how: What the caller can send instead.
        harmless: Values that are carried (compared with their types: `False`, `[]`).
    """
    off = tuple((type(value), value) for value in harmless)

    def make(path: str) -> Walk:
        def walk(value: Any, out: Gathered) -> None:
            if (type(value), value) not in off:
                raise NotCarriedError(path, how)

        return walk

    spelled = "".join(f" (`{str(value).lower()}` is carried)" for value in harmless)
    return Leaf(kind=Kind.REFERENCE, says=how + spelled, make=make)


UNKNOWN_HOW: Final = (
    "nobody here knows what it does; leave it out, or let the sides add it to the bundle's `[fields]` "
    "as `content` or `inert`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Object(Shape):
    """An object with exactly the named fields; another field is refused by name, whatever its value."""

    fields: Mapping[str, Shape]
    required: tuple[str, ...] = ()

    def compile(self, path: str, extras: Extras) -> Walk:
        lead = f"{path}." if path else ""
        walks = {name: shape.compile(lead + name, extras) for name, shape in extras.shapes(path)}
        walks |= {name: shape.compile(lead + name, extras) for name, shape in self.fields.items()}
        known = walks.get
        required = self.required

        def walk(value: Any, out: Gathered) -> None:
            if type(value) is not dict:
                raise MalformedError(f"expected an object at `{path or 'the body'}`, got {described(value)}")
            for name, child in value.items():
                step = known(name)
                if step is None:
                    raise NotCarriedError(f"{lead}{name[:60]}", UNKNOWN_HOW)
                if child is not None:
                    step(child, out)
            for name in required:
                if value.get(name) is None:
                    raise MalformedError(f"expected `{lead}{name}`, got none")

        return walk

    def parts(self, path: str) -> Iterator[tuple[str, Shape]]:
        lead = f"{path}." if path else ""
        yield from ((lead + name, shape) for name, shape in self.fields.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf(Shape):
    """A list of values of one shape."""

    item: Shape

    def compile(self, path: str, extras: Extras) -> Walk:
        step = self.item.compile(f"{path}[]", extras)

        def walk(value: Any, out: Gathered) -> None:
            if type(value) is not list:
                raise MalformedError(f"expected a list at `{path}`, got {described(value)}")
            for child in value:
                step(child, out)

        return walk

    def parts(self, path: str) -> Iterator[tuple[str, Shape]]:
        yield f"{path}[]", self.item


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOf(Shape):
    """An object with any keys, which are read as texts, and values of one shape."""

    item: Shape

    def compile(self, path: str, extras: Extras) -> Walk:
        step = self.item.compile(f"{path}.*", extras)

        def walk(value: Any, out: Gathered) -> None:
            if type(value) is not dict:
                raise MalformedError(f"expected an object at `{path}`, got {described(value)}")
            out.texts.extend(value)
            for child in value.values():
                if child is not None:
                    step(child, out)

        return walk

    def parts(self, path: str) -> Iterator[tuple[str, Shape]]:
        yield f"{path} (keys)", TEXT
        yield f"{path}.*", self.item


@dataclass(frozen=True, slots=True, kw_only=True)
class ByTag(Shape):
    """An object whose field `tag` says which member of a union it is (`messages[user]`, `content[text]`)."""

    tag: str
    members: Mapping[str, Shape]
    default: str = ""
    """The member where the tag is absent; without one the tag is required."""

    def compile(self, path: str, extras: Extras) -> Walk:
        stem = path.removesuffix("[]")
        walks = {name: shape.compile(f"{stem}[{name}]", extras) for name, shape in self.members.items()}
        known, tag, default = walks.get, self.tag, self.default
        listed = ", ".join(f"`{name}`" for name in self.members)

        def walk(value: Any, out: Gathered) -> None:
            if type(value) is not dict:
                raise MalformedError(f"expected an object at `{path}`, got {described(value)}")
            name = value.get(tag)
            if name is None and default:
                name = default
            if type(name) is not str:
                raise MalformedError(f"expected `{path}.{tag}` to be one of {listed}, got {described(name)}")
            step = known(name)
            if step is None:
                raise NotCarriedError(f"{stem}[{name[:60]}]", f"expected `{tag}` to be one of {listed}")
            step(value, out)

        return walk

    def parts(self, path: str) -> Iterator[tuple[str, Shape]]:
        stem = path.removesuffix("[]")
        yield from ((f"{stem}[{name}]", shape) for name, shape in self.members.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class ByJson(Shape):
    """A value that may be of several JSON types (`content` is a string or a list of parts)."""

    string: Shape | None = None
    array: Shape | None = None
    object: Shape | None = None
    flag: Shape | None = None
    number: Shape | None = None

    def _members(self) -> dict[type, Shape]:
        members = {str: self.string, list: self.array, dict: self.object, bool: self.flag, int: self.number}
        return {kind: shape for kind, shape in members.items() if shape is not None}

    def compile(self, path: str, extras: Extras) -> Walk:
        walks = {kind: shape.compile(path, extras) for kind, shape in self._members().items()}
        known = walks.get
        listed = " or ".join(described(kind()) for kind in walks)

        def walk(value: Any, out: Gathered) -> None:
            step = known(type(value))
            if step is None:
                raise MalformedError(f"expected {listed} at `{path}`, got {described(value)}")
            step(value, out)

        return walk

    def parts(self, path: str) -> Iterator[tuple[str, Shape]]:
        yield from ((path, shape) for shape in self._members().values())
