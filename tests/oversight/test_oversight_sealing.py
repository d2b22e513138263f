"""Held content at rest opens with its key, for its hold, or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import SealError, SettingsError
from countermark.oversight.sealing import HoldKey, seal, unseal

KEY = HoldKey(secret=b"k" * 32)
PLACE = {"hold_id": "h_" + "a" * 26, "action_digest": "d" * 64}


@given(plain=st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_unseal_after_seal_is_identity(plain: bytes) -> None:
    """What was sealed comes back, and its bytes are not in what is stored."""
    sealed = seal(plain, key=KEY, **PLACE)
    assert unseal(sealed, key=KEY, **PLACE) == plain
    assert len(plain) < 8 or plain not in sealed


@given(place=st.integers(0, 44), bit=st.integers(0, 7))
@settings(max_examples=80, deadline=None)
def test_any_changed_bit_is_noticed(place: int, bit: int) -> None:
    """Nobody who can write the database can change what reviewers are shown."""
    sealed = bytearray(seal(b"sixteen letters!", key=KEY, **PLACE))
    sealed[place % len(sealed)] ^= 1 << bit
    with pytest.raises(SealError):
        unseal(bytes(sealed), key=KEY, **PLACE)


@pytest.mark.parametrize(
    "change",
    [{"key": HoldKey(secret=b"l" * 32)}, {"hold_id": "h_" + "b" * 26}, {"action_digest": "e" * 64}],
    ids=["another key", "another hold", "another action"],
)
def test_content_opens_only_where_it_belongs(change: dict) -> None:
    """Content moved to another hold, or under another key, does not open."""
    sealed = seal(b"content", key=KEY, **PLACE)
    with pytest.raises(SealError):
        unseal(sealed, **{"key": KEY, **PLACE, **change})


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + b"x" * 40, b"\x01" + b"x" * 20])
def test_bytes_that_are_no_sealed_content_are_refused(sealed: bytes) -> None:
    """Truncated or foreign bytes are a typed error."""
    with pytest.raises(SealError):
        unseal(sealed, key=KEY, **PLACE)


def test_the_same_content_is_sealed_differently_each_time() -> None:
    """Equal requests are not recognisable as equal in the database."""
    assert seal(b"x", key=KEY, **PLACE) != seal(b"x", key=KEY, **PLACE)


def test_a_key_file_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    """The key file has mode 0600; a second `save` would lose what is held, so it fails."""
    path = tmp_path / "hold.key"
    key = HoldKey.generate()
    key.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert HoldKey.load(path) == key
    with pytest.raises(SettingsError):
        HoldKey.generate().save(path)
    assert HoldKey.load(path) == key
    assert key.secret.hex() not in repr(key)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Loose permissions are an error with the command that mends it, not a warning."""
    path = tmp_path / "hold.key"
    HoldKey.generate().save(path)
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        HoldKey.load(path)


@pytest.mark.parametrize("text", ["", "zz" * 32, "aa" * 31, "aa" * 33, "ä"])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, text: str) -> None:
    """A key is 32 bytes in hex."""
    path = tmp_path / "hold.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(SettingsError):
        HoldKey.load(path)


def test_a_missing_key_file_is_a_clear_error(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(SettingsError, match=r"hold\.key"):
        HoldKey.load(tmp_path / "hold.key")
