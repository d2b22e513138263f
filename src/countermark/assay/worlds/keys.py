"""Keys and secrets of a world, from its seed: the same world can be made again, and a statement in it forged knowingly.

They belong to made-up people and protect nothing: whoever knows the seed has them all.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from countermark.attestation.keys import PrivateKey

_SALT = b"countermark assay world v1"
_SECRET_BYTES = 32


def derive_secret(seed: int, name: str) -> bytes:
    """32 bytes that belong to `name` in the world of `seed`; other names and seeds have others.

    Args:
        name: What it is for: `person/ada`, `workload/northmark/office`, `selectors/northmark-1`.

    Source: RFC 5869, with the seed as key material and the name as info.
    """
    derived = HKDF(algorithm=SHA256(), length=_SECRET_BYTES, salt=_SALT, info=name.encode())
    return derived.derive(str(seed).encode())


def derive_key(seed: int, name: str) -> PrivateKey:
    """The Ed25519 key of `name` in the world of `seed`."""
    return PrivateKey.from_seed(derive_secret(seed, name))
