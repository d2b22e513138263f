"""Walks the types of the official client packages: what the vendors say can stand in a message.

`red_cells` compares them with a table of ours; `variants` makes messages from them, each with a canary in one place.
"""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, Required, get_args, get_origin

from typing_extensions import (
    get_type_hints,
    is_typeddict,
)

from countermark.errors import MalformedError
from countermark.pep.fields import (
    NO_EXTRAS,
    ByJson,
    ByTag,
    Gathered,
    Kind,
    Leaf,
    ListOf,
    MapOf,
    Object,
    Shape,
)

CANARY = "canary ada@halden.example"
"""Holds a space and an `@`: neither base64 nor a word of any table."""


def strip(annotation: Any) -> Any:
    """The type without Required, Annotated and type variables."""
    while get_origin(annotation) in (Required, NotRequired, Annotated):
        annotation = get_args(annotation)[0]
    return str if isinstance(annotation, typing.TypeVar) else annotation


def members(annotation: Any) -> Iterator[Any]:
    """The members of a union, None left out; the type itself otherwise."""
    annotation = strip(annotation)
    if get_origin(annotation) in (typing.Union, types.UnionType):
        for each in get_args(annotation):
            yield from members(each)
    elif annotation is not type(None):
        yield annotation


def fields_of(kind: Any) -> dict[str, Any] | None:
    """Fields of a TypedDict or model by their names on the wire; None for other types."""
    if is_typeddict(kind):
        return get_type_hints(kind, include_extras=True)
    if isinstance(kind, type) and hasattr(kind, "model_fields"):
        return {info.alias or name: info.rebuild_annotation() for name, info in kind.model_fields.items()}
    return None


def required_of(kind: Any) -> set[str]:
    """Names of the fields that a message of this type must have."""
    if is_typeddict(kind):  # not `__required_keys__`, which can't see `Required` in postponed annotations
        hints = get_type_hints(kind, include_extras=True)
        return {name for name, hint in hints.items() if get_origin(hint) is Required}
    return {info.alias or name for name, info in kind.model_fields.items() if info.is_required()}


def item_of(kind: Any) -> Any | None:
    """The type of a list's items, or None where it is no list."""
    origin = get_origin(kind)
    if origin in (list, collections.abc.Iterable, collections.abc.Sequence):
        return get_args(kind)[0]
    if "SequenceNotStr" in str(kind):
        return get_args(kind)[0]
    return None


def is_wire_type(kind: Any) -> bool:
    """False for what the client turns into text before it sends it (files on disk)."""
    return getattr(kind, "__name__", "") not in {"IO", "PathLike", "BufferedReader"} and "IO[" not in str(
        kind
    )


def red_cells(shape: Shape, annotation: Any, path: str) -> Iterator[str]:
    """Names every field and word of the vendor's type that the table has no entry for."""
    for kind in members(annotation):
        if is_wire_type(kind):
            yield from _red_cells_of(shape, kind, path)


def _red_cells_of(shape: Shape, kind: Any, path: str) -> Iterator[str]:
    fields, item = fields_of(kind), item_of(kind)
    is_map = get_origin(kind) is dict
    if isinstance(shape, Leaf):
        if shape.kind is Kind.REFERENCE:
            return
        for sample in _samples(kind):
            if type(sample) is str and sample in shape.refused:
                continue
            try:
                shape.compile(path, NO_EXTRAS)(sample, Gathered())
            except MalformedError as error:
                if shape.kind is not Kind.OPAQUE:
                    yield f"{path} = {sample!r}: {error}"
    elif isinstance(shape, ByJson):
        json_type = dict if fields is not None or is_map else list if item is not None else _json_type(kind)
        inner = shape._members().get(json_type)
        if inner is None:
            yield f"{path}: no entry for {json_type.__name__}"
        else:
            yield from _red_cells_of(inner, kind, path)
    elif item is not None:
        if not isinstance(shape, ListOf):
            yield f"{path}: no entry for a list"
        else:
            yield from red_cells(shape.item, item, f"{path}[]")
    elif is_map:
        if isinstance(shape, MapOf):
            yield from red_cells(shape.item, get_args(kind)[1], f"{path}.*")
        else:
            yield f"{path}: no entry for any keys"
    elif fields is None:
        yield f"{path}: no entry for {kind}"
    elif isinstance(shape, ByTag):
        for tag in [value for each in members(fields[shape.tag]) for value in get_args(each)]:
            inner = shape.members.get(tag)
            if inner is None:
                yield f"{path}[{tag}]: no entry"
            else:
                yield from _red_cells_of(inner, kind, f"{path}[{tag}]")
    elif isinstance(shape, MapOf):
        for name, inner_type in fields.items():
            yield from red_cells(shape.item, inner_type, f"{path}.{name}")
    else:
        assert isinstance(shape, Object), (path, shape)
        for name, inner_type in fields.items():
            if name not in shape.fields:
                yield f"{path}.{name}: no entry"
            elif name in ("type", "role") and isinstance(shape.fields[name], Leaf):
                continue  # the tag: its words were compared member by member
            else:
                yield from red_cells(shape.fields[name], inner_type, f"{path}.{name}")


def _json_type(kind: Any) -> type:
    if get_origin(kind) is Literal:
        return type(get_args(kind)[0])
    return int if kind is float else kind


def _samples(kind: Any) -> list[Any]:
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    plain = {str: "x", int: 1, float: 0.5, bool: True, datetime: "2026-05-03T10:00:00Z"}
    if kind in plain:
        return [plain[kind]]
    if item_of(kind) is not None:
        return [[]]
    return [{}]


def minimal(kind: Any) -> Any:
    """The smallest value of a type."""
    kind = next(each for each in members(kind) if is_wire_type(each))
    fields = fields_of(kind)
    if fields is not None:
        return {name: minimal(fields[name]) for name in fields if name in required_of(kind)}
    if item_of(kind) is not None:
        return []
    if get_origin(kind) is dict:
        return {}
    return _samples(kind)[0]


def variants(annotation: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every place of a type that a text can be put into, with the smallest value that has the canary there.

    A canary also takes the place of each number, flag and word, of each field's name, and of fields nobody knows: such
    a message must be refused, or the canary read.
    """
    if depth > 14:
        return
    for kind in members(annotation):
        if not is_wire_type(kind):
            continue
        fields, item = fields_of(kind), item_of(kind)
        if fields is not None:
            base = minimal(kind)
            tag = base.get("type") or base.get("role") or ""
            here = f"{path}<{tag}>" if tag else path
            yield f"{here}.(unknown name)", {**base, CANARY: 1}
            yield f"{here}.(unknown field)", {**base, "unheard_of": CANARY}
            for name, inner in fields.items():
                for where, value in variants(inner, f"{here}.{name}", depth + 1):
                    yield where, {**base, name: value}
        elif item is not None:
            for where, value in variants(item, f"{path}[]", depth + 1):
                yield where, [value]
        elif get_origin(kind) is dict:
            yield f"{path}.(key)", {CANARY: minimal(get_args(kind)[1])}
            for where, value in variants(get_args(kind)[1], f"{path}.*", depth + 1):
                yield where, {"k": value}
        elif kind is object or kind is Any:
            yield f"{path} as text", CANARY
            yield f"{path} inside", {"k": [1, {"j": CANARY}]}
            yield f"{path} as key", {"k": [{CANARY: True}]}
        else:
            yield path, CANARY
