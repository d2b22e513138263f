"""Keys: what is accepted as one, and that each verifies its own type only."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attestation_world import KEYS, key_of
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from countermark.attestation import keys
from countermark.attestation.keys import PrivateKey, PublicKey
from countermark.errors import (
    CountermarkError,
    KeyTypeError,
    MalformedError,
    SettingsError,
    SignatureError,
    StoreError,
)

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]


def added(a: Point, b: Point) -> Point:
    """The sum on the twisted Edwards curve, by the textbook (complete) formula."""
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % P
    return (
        (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P,
    )


def abscissa(y: int) -> int:
    """One x with (x, y) on the curve."""
    xx = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(xx, (P + 3) // 8, P)
    return x if x * x % P == xx else x * pow(2, (P - 1) // 4, P) % P


def test_the_ordinates_of_small_order_are_those_and_no_others() -> None:
    """Eight times each listed point is the neutral one; there are exactly eight such points on the curve."""
    points = {(sign * abscissa(y) % P, y) for y in keys._SMALL_ORDER_Y for sign in (1, -1)}
    assert len(points) == 8
    for point in points:
        total = point
        for _ in range(3):
            total = added(total, total)
        assert total == (0, 1)


@pytest.mark.parametrize("y", sorted(keys._SMALL_ORDER_Y))
@pytest.mark.parametrize("sign", [0, 1])
def test_a_small_order_key_is_refused_where_the_library_would_take_it(y: int, sign: int) -> None:
    """OpenSSL loads it without a word; under such keys signatures hold that nobody made."""
    public = (y | sign << 255).to_bytes(32, "little")
    Ed25519PublicKey.from_public_bytes(public)
    with pytest.raises(MalformedError, match="large order"):
        PublicKey("ed25519", public)


NO_KEYS: dict[str, tuple[str, bytes]] = {
    "ordinate over the prime": ("ed25519", (P + 3).to_bytes(32, "little")),
    "all ones": ("ed25519", b"\xff" * 32),
    "no point of the curve": ("ed25519", (2).to_bytes(32, "little")),
    "31 bytes": ("ed25519", b"\x07" * 31),
    "33 bytes": ("ed25519", b"\x07" * 33),
    "P-256 in compressed form": ("ecdsa", b"\x02" + KEYS["dua"].public.public[1:33]),
    "P-256 off the curve": ("ecdsa", b"\x04" + b"\x07" * 64),
    "P-256 point at infinity": ("ecdsa", b"\x00"),
}


@pytest.mark.parametrize("case", NO_KEYS)
def test_what_is_no_key_is_refused(case: str) -> None:
    """A `PublicKey` that exists is a well-formed point in its one encoding."""
    with pytest.raises(MalformedError):
        PublicKey(*NO_KEYS[case])


def test_all_keys_of_a_generator_are_accepted() -> None:
    """The check of points refuses no honest key."""
    for number in range(64):
        key = key_of(f"honest {number}")
        assert PublicKey.from_dict(key.public.to_dict()) == key.public


@pytest.mark.parametrize("keytype", ["ed25519", "ecdsa"])
def test_a_key_verifies_what_its_private_half_signed(keytype: str) -> None:
    """Signing and verifying fit; another message, key or signature doesn't."""
    key = PrivateKey.generate(keytype)
    signature = key.sign(b"data")
    key.public.verify(signature, b"data")
    for other, sig, data in (
        (key, signature, b"Data"),
        (PrivateKey.generate(keytype), signature, b"data"),
        (key, signature[:-1], b"data"),
        (key, b"", b"data"),
        (key, signature + b"\0", b"data"),
    ):
        with pytest.raises(SignatureError):
            other.public.verify(sig, data)


def test_a_key_of_one_type_never_verifies_a_signature_of_the_other() -> None:
    """The key's type chooses the algorithm; the signature has no say."""
    ed25519, ecdsa = key_of("x"), key_of("x", "ecdsa")
    with pytest.raises(SignatureError):
        ecdsa.public.verify(ed25519.sign(b"data"), b"data")
    with pytest.raises(SignatureError):
        ed25519.public.verify(ecdsa.sign(b"data"), b"data")


def changed(**changes: Any) -> dict[str, Any]:
    return {**KEYS["ada"].public.to_dict(), **changes}


PUBLIC = KEYS["ada"].public.public.hex()
PEM = KEYS["dua"].public.to_dict()["keyval"]["public"]
P384 = (
    ec.generate_private_key(ec.SECP384R1())
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
DICTS: dict[str, tuple[object, type[CountermarkError]]] = {
    "no object": ("ed25519", MalformedError),
    "a field more": (changed(keyid="x"), MalformedError),
    "no scheme": ({"keytype": "ed25519", "keyval": {"public": PUBLIC}}, MalformedError),
    "an unknown type": (changed(keytype="rsa"), KeyTypeError),
    "a type that is no text": (changed(keytype=["ed25519"]), KeyTypeError),
    "the other type's scheme": (changed(scheme="ecdsa-sha2-nistp256"), KeyTypeError),
    "upper-case hex": (changed(keyval={"public": PUBLIC.upper()}), MalformedError),
    "hex with spaces": (changed(keyval={"public": PUBLIC[:2] + " " + PUBLIC[2:]}), MalformedError),
    "no hex": (changed(keyval={"public": "zz"}), MalformedError),
    "a private half beside it": (changed(keyval={"public": PUBLIC, "private": ""}), MalformedError),
    "PEM without its last line break": (
        {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": PEM.strip()}},
        MalformedError,
    ),
    "PEM of another curve": (
        {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": P384}},
        KeyTypeError,
    ),
    "PEM that isn't": (
        {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": "é"}},
        MalformedError,
    ),
}


@pytest.mark.parametrize("case", DICTS)
def test_a_key_has_one_spelling(case: str) -> None:
    """`from_dict` takes exactly what `to_dict` writes, so that one key has one id."""
    value, error = DICTS[case]
    with pytest.raises(error) as caught:
        PublicKey.from_dict(value)
    assert type(caught.value) is error


@pytest.mark.parametrize("keytype", ["ed25519", "ecdsa"])
def test_a_saved_key_is_private_and_never_overwritten(keytype: str, tmp_path: Path) -> None:
    """`save` writes 0600 whatever the umask, `load` reads the same key, and a second `save` is refused."""
    path = tmp_path / "key.pem"
    key = PrivateKey.generate(keytype)
    before = os.umask(0)
    try:
        key.save(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert PrivateKey.load(path).public == key.public
    with pytest.raises(StoreError, match="never overwritten"):
        PrivateKey.generate().save(path)
    assert PrivateKey.load(path).public == key.public


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_may_read_is_refused(mode: int, tmp_path: Path) -> None:
    """Group or world rights on a key are an error that says what to do."""
    path = tmp_path / "key.pem"
    PrivateKey.generate().save(path)
    path.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        PrivateKey.load(path)


def pem_of(key: Any, encryption: Any = None) -> bytes:
    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return made


BAD_FILES: dict[str, tuple[Callable[[], bytes], type[CountermarkError]]] = {
    "empty": (lambda: b"", MalformedError),
    "too long": (lambda: b"x" * 5000, MalformedError),
    "an RSA key": (lambda: pem_of(rsa.generate_private_key(65537, 2048)), KeyTypeError),
    "another curve": (lambda: pem_of(ec.generate_private_key(ec.SECP384R1())), KeyTypeError),
    "encrypted": (
        lambda: pem_of(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"pass")),
        MalformedError,
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_holds_no_key_of_ours_is_refused(case: str, tmp_path: Path) -> None:
    """A foreign key file is a typed error, never another exception."""
    content, error = BAD_FILES[case]
    path = tmp_path / "key.pem"
    path.write_bytes(content())
    path.chmod(0o600)
    with pytest.raises(error):
        PrivateKey.load(path)


def test_a_missing_key_file_and_a_bad_seed_are_typed_errors(tmp_path: Path) -> None:
    """Each way of getting a key fails in the tree of errors.py."""
    with pytest.raises(SettingsError):
        PrivateKey.load(tmp_path / "none.pem")
    with pytest.raises(StoreError):
        PrivateKey.generate().save(tmp_path / "none" / "key.pem")
    with pytest.raises(MalformedError):
        PrivateKey.from_seed(b"short")
    with pytest.raises(KeyTypeError):
        PrivateKey.generate("rsa")
    with pytest.raises(KeyTypeError):
        PublicKey("rsa", b"")


def test_a_private_key_does_not_print_itself() -> None:
    """Logs and tracebacks show the public id only."""
    key = PrivateKey.from_seed(b"\x01" * 32)
    assert repr(key) == f"PrivateKey(keyid={key.public.keyid[:16]}…)"
