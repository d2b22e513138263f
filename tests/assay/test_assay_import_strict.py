"""Foreign bytes: any JSON is read as the standard library reads it, and nothing takes more than its limit."""

from __future__ import annotations

import contextlib
import io
import json
import tracemalloc
import zipfile as plain_zipfile
from pathlib import Path
from typing import Any

import import_logs as logs
import pytest
from backports.zstd import zipfile
from hypothesis import given
from hypothesis import strategies as st

from countermark.assay.imported import stream, zipped
from countermark.assay.imported.load import load
from countermark.assay.imported.records import Limits, Options
from countermark.assay.imported.rule import parse_rule
from countermark.assay.imported.stream import walk
from countermark.errors import (
    CountermarkError,
    DuplicateKeyError,
    ExtraError,
    ForeignLogError,
    MalformedError,
    TooLargeError,
)

SMALL = Limits(record_bytes=4096, unpacked_bytes=16384, files=4, rows=8)
RULE = (parse_rule("stopped=0"),)
TEXT = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=12)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


class Slow(io.BytesIO):
    """A file that gives a few bytes at a time, so that every border of a window is met."""

    def read(self, size: int | None = -1) -> bytes:
        """At most three bytes."""
        return super().read(min(3, size if size is not None and size >= 0 else 3))


@given(st.dictionaries(TEXT, VALUES, max_size=4), st.lists(VALUES, max_size=5), st.booleans())
def test_walk_reads_what_the_standard_library_reads(
    members: dict[str, Any], elements: list[Any], spaced: bool
) -> None:
    """Every member and every element of the streamed array, in order, wherever the window is cut."""
    members.pop("rows", None)
    value = {"a": {"rows": elements, **members}, **members}
    data = json.dumps(value, ensure_ascii=False, indent=2 if spaced else None).encode()
    for file in (io.BytesIO(data), Slow(data)):
        seen = list(walk(file, stream=("a", "rows"), max_bytes=1 << 20))
        assert [each for path, each in seen if path == ("a", "rows")] == elements
        assert {path[1]: each for path, each in seen if path[0] == "a" and path != ("a", "rows")} == members
        assert {path[0]: each for path, each in seen if len(path) == 1 and path[0] != "a"} == {
            key: each for key, each in members.items() if key != "a"
        }


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No other error than ours, and never an endless loop."""
    with contextlib.suppress(MalformedError):
        list(walk(io.BytesIO(b'{"rows": [' + data), stream=("rows",), max_bytes=4096))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"a": 1, "a": 2}', DuplicateKeyError),
        ('{"rows": [{"a": 1, "a": 2}]}', DuplicateKeyError),
        ('{"rows": [1, 2], "rows": []}', DuplicateKeyError),
        ('{"rows": [1, 2]} x', MalformedError),
        ('{"rows": [1 2]}', MalformedError),
        ('{"rows": [1,]}', MalformedError),
        ('{"rows": [{]}]}', MalformedError),
        ('{"rows": ["a\\ud800"]}', MalformedError),
        ('[{"rows": []}]', MalformedError),
        ('{"rows": [' + "[" * 300 + "]" * 300 + "]}", MalformedError),
        ('{"rows": ["' + "x" * 5000 + '"]}', TooLargeError),
        ('{"rows": [' + " " * 20 + "1" * 5000 + "]}", TooLargeError),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(text: str, error: type[Exception]) -> None:
    """Duplicate keys, commas too many or too few, unpaired surrogates, depth and size."""
    with pytest.raises(error):
        list(walk(io.BytesIO(text.encode()), stream=("rows",), max_bytes=4096))


def test_numbers_that_are_none_are_read_as_such() -> None:
    """NaN and infinities, which Inspect writes as bare words, come through; the rules make "not judged" of NaN."""
    (row,) = (
        value for _, value in walk(io.BytesIO(b'{"rows": [{"v": NaN}]}'), stream=("rows",), max_bytes=99)
    )
    assert row["v"] != row["v"]
    assert parse_rule("v=1").holds(row["v"]) is None
    assert parse_rule("v>1").holds(float("inf")) is True


def test_a_large_log_takes_the_memory_of_one_sample(tmp_path: Path) -> None:
    """Forty times the samples, and hardly more at the peak than for one block of reading."""
    sample = logs.inspect_sample("a", 1, messages=[{"content": "x" * 50_000}])
    path = logs.inspect_json(tmp_path / "log.json", [{**sample, "id": f"{i}"} for i in range(200)])
    assert path.stat().st_size > 10_000_000
    tracemalloc.start()
    load([path], Options(breach_when=RULE))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def eval_log(
    path: Path, parts: dict[str, bytes], module: Any = zipfile, method: int = zipfile.ZIP_ZSTANDARD
) -> Path:
    """A zip of these members, after a head."""
    with module.ZipFile(path, "w", compression=method) as archive:
        archive.writestr("header.json", json.dumps(logs.inspect_head()))
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def test_a_zip_cannot_unpack_to_more_than_its_limits(tmp_path: Path) -> None:
    """One member that is a bomb, and many that are one together; the sizes that the zip states don't matter."""
    one = eval_log(tmp_path / "one.eval", {"samples/a.json": b" " * 10_000_000})
    assert one.stat().st_size < 10_000
    with pytest.raises(ForeignLogError, match="at most 4,096 bytes"):
        load([one], Options(breach_when=RULE, limits=SMALL))
    sample = json.dumps(logs.inspect_sample("a", 1)).encode()
    many = eval_log(tmp_path / "many.eval", {f"samples/{i}.json": sample + b" " * 3000 for i in range(7)})
    with pytest.raises(ForeignLogError, match="16,384 bytes"):
        load([many], Options(breach_when=RULE, limits=SMALL))


def test_names_in_a_zip_are_never_paths(tmp_path: Path) -> None:
    """Members that would climb out of a folder are read like others, and nothing is written anywhere."""
    sample = json.dumps(logs.inspect_sample("a", 1)).encode()
    folder = tmp_path / "in"
    folder.mkdir()
    path = eval_log(folder / "log.eval", {"samples/../../../out.json": sample, "/abs.json": b"{}"})
    (found,) = load([path], Options(breach_when=RULE))
    assert len(found.collected.attacks) == 1
    assert [each.name for each in tmp_path.rglob("*")] == ["in", "log.eval"]


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    """A byte that changed, a file that was cut off, a member that is there twice, a method that nobody unpacks."""
    sample = json.dumps(logs.inspect_sample("a", 1)).encode()
    path = eval_log(tmp_path / "log.eval", {"samples/a.json": sample})
    whole = path.read_bytes()
    at = whole.index(b"samples/a.json") + 30
    for data in (whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :], whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(ForeignLogError, match=r"`log\.eval`"):
            load([path], Options(breach_when=RULE))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", json.dumps(logs.inspect_head()))
        archive.writestr("samples/a.json", sample)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("samples/a.json", sample)
    with pytest.raises(ForeignLogError, match="twice"):
        load([path], Options(breach_when=RULE))


def test_without_the_package_a_packed_log_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And how to do without it; `.json` logs are read all the same."""
    path = logs.inspect_eval(tmp_path / "log.eval", [logs.inspect_sample("a", 1)])
    monkeypatch.setattr(zipped, "_OPENER", None)
    with pytest.raises(ExtraError, match=r"countermark\[assay\].*inspect log convert"):
        load([path], Options(breach_when=RULE))
    assert load(
        [logs.inspect_json(tmp_path / "log.json", [logs.inspect_sample("a", 1)])], Options(breach_when=RULE)
    )


def test_a_zip_that_the_standard_library_packed_is_read(tmp_path: Path) -> None:
    """Older logs are packed with deflate."""
    sample = json.dumps(logs.inspect_sample("a", 1)).encode()
    path = eval_log(
        tmp_path / "log.eval", {"samples/a.json": sample}, plain_zipfile, plain_zipfile.ZIP_DEFLATED
    )
    assert load([path], Options(breach_when=RULE))


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    """A folder holds what lies in it: a link to a log elsewhere is no part of it, nor one to a folder above."""
    outside = logs.write(tmp_path / "outside" / "run.json", logs.agentdojo_run(security=True))
    inside = logs.agentdojo_folder(tmp_path / "runs", [logs.agentdojo_run()])
    (inside / "link.json").symlink_to(outside)
    (inside / "up").symlink_to(tmp_path, target_is_directory=True)
    (found,) = load([inside], Options())
    assert [each.verdict for each in found.collected.attacks] == [False]
    assert found.inputs[0].files == 1


def test_folders_and_rows_have_limits(tmp_path: Path) -> None:
    """Too many files, or too many rows, are an error that says how many there may be."""
    run = logs.agentdojo_run
    folder = logs.agentdojo_folder(
        tmp_path / "runs", [run(injection_task_id=f"injection_task_{i}") for i in range(5)]
    )
    with pytest.raises(ForeignLogError, match="at most 4 files"):
        load([folder], Options(limits=SMALL))
    samples = [logs.inspect_sample(f"{i}", 1) for i in range(9)]
    with pytest.raises(ForeignLogError, match="at most 8 rows"):
        load([logs.inspect_json(tmp_path / "log.json", samples)], Options(breach_when=RULE, limits=SMALL))


def test_what_is_no_log_is_left_out_of_a_folder_and_said(tmp_path: Path) -> None:
    """A note beside the runs doesn't spoil them; a run that is damaged does."""
    folder = logs.agentdojo_folder(tmp_path / "runs", [logs.agentdojo_run()])
    (folder / "README.txt").write_text("notes")
    logs.write(folder / "config.json", {"a": 1})
    (found,) = load([folder], Options())
    (note,) = found.collected.notes
    assert "`README.txt`, `config.json`" in note
    assert found.collected.notes[note] == 2
    (folder / "cut.json").write_text(json.dumps(logs.agentdojo_run())[:-4])
    with pytest.raises(ForeignLogError, match=r"`runs/cut\.json`"):
        load([folder], Options())


def test_the_digest_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    """Another name, another byte or another file changes it; the place where it lies doesn't."""
    runs = [logs.agentdojo_run(injection_task_id=f"injection_task_{i}") for i in range(2)]

    def digest(name: str, given: list[dict[str, Any]]) -> str:
        folder = logs.agentdojo_folder(tmp_path / name / "runs", given)
        return load([folder], Options())[0].inputs[0].sha256

    first = digest("one", runs)
    assert digest("two", runs) == first
    assert digest("three", [runs[0], runs[1] | {"security": True}]) != first
    assert digest("four", runs[:1]) != first


def test_a_schema_that_runs_code_is_not_trusted(tmp_path: Path) -> None:
    """A view in place of PyRIT's table whose rows come from a function is refused, not run."""
    import sqlite3

    path = tmp_path / "memory.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE t (x)")
    database.execute("INSERT INTO t VALUES (1)")
    database.execute(
        "CREATE VIEW AttackResultEntries AS SELECT load_extension('x') AS objective, 'success' AS outcome FROM t"
    )
    database.commit()
    database.close()
    with pytest.raises(CountermarkError, match="got a view"):
        load([path], Options())


def test_the_window_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a file is, the window holds one value and one block."""
    monkeypatch.setattr(stream, "BLOCK", 64)
    data = b'{"rows": [' + b",".join(b'"%d"' % i for i in range(5000)) + b"]}"
    held = 0
    for _, _ in walk(_Watched(data), stream=("rows",), max_bytes=256):
        held += 1
    assert held == 5000


class _Watched(io.BytesIO):
    """Refuses to give more than a little at once."""

    def read(self, size: int | None = -1) -> bytes:
        """Check what is asked for."""
        assert size is not None
        assert 0 < size <= 256
        return super().read(size)
