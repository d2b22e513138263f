"""Files and folders, each told by its content and read by the reader of its tool."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from countermark.assay.imported import agentdojo, garak, inspect_ai, jailbreakbench, promptfoo, pyrit, table
from countermark.assay.imported.records import Collected, Convention, Limits, Options
from countermark.assay.imported.stream import first_keys, parse
from countermark.assay.measured import Input
from countermark.errors import ForeignLogError, MalformedError, NothingMeasuredError, SettingsError

EVAL = "inspect-eval"
"""How an Inspect log that is a zip is told apart; both are of the format `inspect`."""
FORMATS = (
    inspect_ai.FORMAT, agentdojo.FORMAT, jailbreakbench.FORMAT, promptfoo.FORMAT, garak.FORMAT, pyrit.FORMAT, table.FORMAT,
)  # fmt: skip
_KEYS: Mapping[str, frozenset[str]] = {
    inspect_ai.FORMAT: inspect_ai.KEYS,
    agentdojo.FORMAT: agentdojo.KEYS,
    jailbreakbench.FORMAT: jailbreakbench.KEYS,
    promptfoo.FORMAT: promptfoo.KEYS,
    garak.FORMAT: garak.KEYS,
    table.FORMAT: frozenset({table.MARK}),
}
_CONVENTIONS: Mapping[str, Convention] = {
    inspect_ai.FORMAT: inspect_ai.CONVENTION,
    agentdojo.FORMAT: agentdojo.CONVENTION,
    jailbreakbench.FORMAT: jailbreakbench.CONVENTION,
    promptfoo.FORMAT: promptfoo.CONVENTION,
    garak.FORMAT: garak.CONVENTION,
    pyrit.FORMAT: pyrit.CONVENTION,
}
_STREAMS: Mapping[str, Callable[[IO[bytes], Collected, Options], Any]] = {
    inspect_ai.FORMAT: inspect_ai.read_json,
    jailbreakbench.FORMAT: jailbreakbench.read,
    promptfoo.FORMAT: promptfoo.read,
    garak.FORMAT: garak.read,
    table.FORMAT: table.read,
}
_FILES: Mapping[str, Callable[[Path, Collected, Options], None]] = {
    EVAL: inspect_ai.read_eval,
    pyrit.FORMAT: pyrit.read,
}
_USED_BY: Mapping[str, tuple[str, ...]] = {
    "breach_when": (inspect_ai.FORMAT,),
    "stopped_when": (inspect_ai.FORMAT,),
    "benign_when": (inspect_ai.FORMAT, promptfoo.FORMAT, pyrit.FORMAT),
    "fields": (inspect_ai.FORMAT, promptfoo.FORMAT, garak.FORMAT, pyrit.FORMAT),
    "detector": (garak.FORMAT, jailbreakbench.FORMAT),
}
"""Which readers an option says something to: said to none of them, it would be passed over unsaid."""
_OPTIONS = {
    "breach_when": "--breach-when",
    "stopped_when": "--stopped-when",
    "benign_when": "--benign",
    "fields": "--field",
    "detector": "--detector",
}
_SMALL = 1 << 20
_BLOCK = 1 << 20
_NAMED = 3


@dataclass(slots=True, kw_only=True)
class Loaded:
    """All logs of one tool.

    Attributes:
        convention: What they mean; of tables, what the head of the first declares.
        inputs: What was read, with digests.
    """

    format: str
    collected: Collected
    convention: Convention | None
    inputs: list[Input] = field(default_factory=list)


def load(
    paths: Sequence[Path],
    options: Options,
    *,
    format_name: str | None = None,
    safeguards: Sequence[str] = (),
    told: Callable[[int, int], None] = lambda done, whole: None,
) -> tuple[Loaded, ...]:
    """Read every file, and every file in every folder.

    Args:
        format_name: Take everything for this tool's; where left out, each file is told by its content.
        safeguards: The name of what was attacked in each path, in their order; one name goes for all of them.
        told: Is told how many files of a folder are done.

    Raises:
        ForeignLogError: A file that can't be read, with its name; a file that was named and is no log.
        NothingMeasuredError: No log.
        SettingsError: Not one name, or one for each path; or an option that no reader of these logs heeds.
    """
    if len(safeguards) not in (0, 1, len(paths)):
        raise SettingsError(
            f"expected one --safeguard, or one for each of {len(paths)} paths, got {len(safeguards)}"
        )
    found: dict[str, Loaded] = {}
    for i, path in enumerate(paths):
        named = safeguards[i] if len(safeguards) > 1 else (safeguards[0] if safeguards else "")
        _path(path, _named(options, named), format_name, found, told)
    if not found:
        raise NothingMeasuredError(f"expected logs of {', '.join(FORMATS)}, found none")
    for option, formats in _USED_BY.items():
        if getattr(options, option) and not set(formats) & set(found):
            raise SettingsError(
                f"expected {_OPTIONS[option]} with logs of {' or '.join(formats)}, got {', '.join(found)}"
            )
    return tuple(found.values())


def _named(options: Options, safeguard: str) -> Options:
    return replace(options, safeguard=safeguard) if safeguard else options


def _path(
    path: Path,
    options: Options,
    format_name: str | None,
    found: dict[str, Loaded],
    told: Callable[[int, int], None],
) -> None:
    if not path.is_dir():
        digest = _file(path, path.name, options, format_name, found, must=True)
        if digest is not None:
            kind, sha256, size = digest
            found[kind].inputs.append(Input(name=path.name, files=1, bytes=size, sha256=sha256))
        return
    files = _walk(path, options.limits)
    left: list[str] = []
    taken: dict[str, list[tuple[str, str, int]]] = {}
    for i, file in enumerate(files):
        told(i, len(files))
        name = file.relative_to(path).as_posix()
        digest = _file(file, f"{path.name}/{name}", options, format_name, found, must=False)
        if digest is None:
            left.append(name)
        else:
            taken.setdefault(digest[0], []).append((name, digest[1], digest[2]))
    for kind, parts in taken.items():
        found[kind].inputs.append(_tree(path.name, parts))
        if left:
            named = ", ".join(f"`{name[:60]}`" for name in left[:_NAMED])
            more = ", ..." if len(left) > _NAMED else ""
            found[kind].collected.notes[
                f"files in `{path.name}` that are no log, left out ({named}{more})"
            ] += len(left)


def _walk(folder: Path, limits: Limits) -> list[Path]:
    """Regular files, in order; links are not followed: what a folder holds is what lies in it."""
    files: list[Path] = []
    for where, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        files += [file for name in names if not (file := Path(where, name)).is_symlink() and file.is_file()]
        if len(files) > limits.files:
            raise ForeignLogError(f"expected at most {limits.files:,} files in `{folder.name}`, got more")
    return sorted(files)


def _tree(name: str, parts: Sequence[tuple[str, str, int]]) -> Input:
    """One digest for a folder: of the lines that `sha256sum` writes for its files, in order."""
    lines = "".join(f"{sha256}  {part}\n" for part, sha256, _ in parts)
    return Input(
        name=name,
        files=len(parts),
        bytes=sum(size for *_, size in parts),
        sha256=hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest(),
    )


def _file(
    path: Path, name: str, options: Options, format_name: str | None, found: dict[str, Loaded], *, must: bool
) -> tuple[str, str, int] | None:
    """Read one file.

    Returns:
        Its format, digest and size; None where it is no log and need not be one.
    """
    try:
        with path.open("rb") as file:
            return _open(file, path, options, format_name, found, must=must)
    except MalformedError as error:
        raise ForeignLogError(f"`{name}`: {error}") from error
    except ForeignLogError as error:
        raise ForeignLogError(f"`{name}`: {error}") from error
    except UnicodeDecodeError as error:
        raise ForeignLogError(
            f"`{name}`: expected UTF-8, got a byte that isn't at offset {error.start}"
        ) from error
    except OSError as error:
        raise ForeignLogError(f"expected to read `{name}`: {error.strerror}") from error


def _open(
    file: IO[bytes],
    path: Path,
    options: Options,
    format_name: str | None,
    found: dict[str, Loaded],
    *,
    must: bool,
) -> tuple[str, str, int] | None:
    size = os.fstat(file.fileno()).st_size
    first = file.read(16)
    file.seek(0)
    kind = _by_magic(first) or format_name
    if format_name is not None and kind not in (
        format_name,
        EVAL if format_name == inspect_ai.FORMAT else "",
    ):
        raise ForeignLogError(f"expected a log of `{format_name}`, got one of `{kind}`")
    if (kind or agentdojo.FORMAT) == agentdojo.FORMAT and size <= _SMALL and first.lstrip()[:1] == b"{":
        run, data = _run(file, options, must=kind is not None)
        if run is not None:
            loaded = _loaded(agentdojo.FORMAT, options, found)
            agentdojo.read(run, loaded.collected, options)
            return agentdojo.FORMAT, hashlib.sha256(data).hexdigest(), size
    if kind is None:
        kind = _by_keys(file, options.limits)
        file.seek(0)
    if kind is None:
        if must:
            raise ForeignLogError(f"expected a log of {', '.join(FORMATS)}, got something else: see --format")
        return None
    name = inspect_ai.FORMAT if kind == EVAL else kind
    loaded = _loaded(name, options, found)
    if kind in _FILES:
        _FILES[kind](path, loaded.collected, options)
    elif kind == agentdojo.FORMAT:
        run, _ = _run(file, options, must=True)
        agentdojo.read(run, loaded.collected, options)
    else:
        declared = _STREAMS[kind](file, loaded.collected, options)
        loaded.convention = loaded.convention or declared
        if kind == table.FORMAT and declared != loaded.convention:
            raise ForeignLogError("expected tables with one head, got another one: import them one by one")
    if file.closed:  # a text layer over it took it along
        with path.open("rb") as again:
            return name, _digest(again), size
    file.seek(0)
    return name, _digest(file), size


def _loaded(name: str, options: Options, found: dict[str, Loaded]) -> Loaded:
    if name not in found:
        found[name] = Loaded(
            format=name, collected=Collected(limits=options.limits), convention=_CONVENTIONS.get(name)
        )
    return found[name]


def _by_magic(first: bytes) -> str | None:
    if first.startswith(b"PK\x03\x04"):
        return EVAL
    if first.startswith(b"SQLite format 3\x00"):
        return pyrit.FORMAT
    return table.FORMAT if first.startswith(f"# {table.MARK}"[:16].encode()) else None


def _by_keys(file: IO[bytes], limits: Limits) -> str | None:
    """The tool whose logs begin with such keys; None where no tool's do, or where it isn't a JSON object."""
    seen: set[str] = set()
    try:
        for key in first_keys(file, max_bytes=limits.record_bytes):
            seen.add(key)
            for name, keys in _KEYS.items():
                if keys <= seen:
                    return name
    except MalformedError:
        return None
    return None


def _run(file: IO[bytes], options: Options, *, must: bool) -> tuple[Any, bytes]:
    """A small file as a run of AgentDojo, which comes in thousands of them; None where it is none."""
    data = file.read(options.limits.record_bytes + 1)
    file.seek(0)
    try:
        run = parse(data, max_bytes=options.limits.record_bytes)
    except MalformedError:
        if must:
            raise
        return None, data
    if isinstance(run, dict) and (must or run.keys() >= agentdojo.KEYS):
        return run, data
    if must:
        raise ForeignLogError(f"expected a run of AgentDojo with {', '.join(sorted(agentdojo.KEYS))}")
    return None, data


def _digest(file: IO[bytes]) -> str:
    hasher = hashlib.sha256()
    while block := file.read(_BLOCK):
        hasher.update(block)
    return hasher.hexdigest()
