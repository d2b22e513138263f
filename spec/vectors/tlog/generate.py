"""Writes the vectors of this folder. `python spec/vectors/tlog/generate.py`; a test checks that they are current.

The roots of sizes 0 to 8 are constants from certificate-transparency's own tests, not computed here.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from countermark.tlog.checkpoint import Checkpoint, sign_checkpoint
from countermark.tlog.note import NoteSigner, encode_base64
from countermark.tlog.proof import make_consistency_proof, make_inclusion_proof
from countermark.tlog.receipt import Receipt
from countermark.tlog.segment import SegmentHeader, encode_record, first_chain
from countermark.tlog.tiles import ENTRIES, tile_path
from countermark.tlog.tree import hash_leaf, hash_node, subtree_of, tree_root

FOLDER = Path(__file__).parent
CT_INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
ORIGIN = "halden.example/gateway-1"
SEED = bytes(range(32))
KEY = NoteSigner.from_seed(ORIGIN, SEED)
OTHER = NoteSigner.from_seed(ORIGIN, bytes(32))
_INPUTS = [bytes.fromhex(text) for text in CT_INPUTS]
_SUBTREE = subtree_of([hash_leaf(entry) for entry in _INPUTS])


def _hex(hashes: list[bytes]) -> list[str]:
    return [each.hex() for each in hashes]


def _flip(text: str) -> str:
    """The hash with its first bit flipped."""
    return f"{int(text[0], 16) ^ 8:x}{text[1:]}"


def tree() -> dict[str, Any]:
    """Leaf and node hashes, and the roots that every implementation knows."""
    return {
        "inputs": CT_INPUTS,
        "leaf_hashes": [hash_leaf(entry).hex() for entry in _INPUTS],
        "node_hash_of_the_first_two": hash_node(hash_leaf(_INPUTS[0]), hash_leaf(_INPUTS[1])).hex(),
        "roots_by_size": CT_ROOTS,
    }


def _inclusion(index: int, size: int) -> dict[str, Any]:
    proof = make_inclusion_proof(index, size, _SUBTREE)
    return {
        "entry": CT_INPUTS[index],
        "index": index,
        "size": size,
        "root": CT_ROOTS[size],
        "proof": _hex(proof),
    }


def inclusion() -> list[dict[str, Any]]:
    """Each entry of each tree."""
    return [
        {"case": f"entry {index} of {size}", **_inclusion(index, size)}
        for size in range(1, 9)
        for index in range(size)
    ]


def inclusion_fail() -> list[dict[str, Any]]:
    """What must be refused."""
    good = _inclusion(3, 7)
    proof = good["proof"]
    node = (hash_leaf(_INPUTS[0]) + hash_leaf(_INPUTS[1])).hex()
    changes: dict[str, dict[str, Any]] = {
        "another entry": {"entry": CT_INPUTS[4]},
        "another index": {"index": 2},
        "an index outside the tree": {"index": 7},
        "a negative index": {"index": -1},
        "another root": {"root": CT_ROOTS[8]},
        "a flipped bit in a hash": {"proof": [_flip(proof[0]), *proof[1:]]},
        "a hash left out": {"proof": proof[:-1]},
        "a hash too many": {"proof": [*proof, proof[0]]},
        "hashes in another order": {"proof": proof[::-1]},
        "a hash of 31 bytes": {"proof": [proof[0][:-2], *proof[1:]]},
        "no hashes": {"proof": []},
        "an empty tree": {"size": 0, "index": 0, "root": CT_ROOTS[0], "proof": []},
        "a node passed off as an entry": {
            "entry": node,
            "index": 0,
            "size": 2,
            "root": CT_ROOTS[4],
            "proof": _hex(make_inclusion_proof(0, 4, _SUBTREE))[1:],
        },
    }
    return [{"case": case, **(good | change)} for case, change in changes.items()]


def _consistency(old: int, new: int) -> dict[str, Any]:
    proof = make_consistency_proof(old, new, _SUBTREE)
    return {
        "old_size": old,
        "old_root": CT_ROOTS[old],
        "new_size": new,
        "new_root": CT_ROOTS[new],
        "proof": _hex(proof),
    }


def consistency() -> list[dict[str, Any]]:
    """Each pair of sizes."""
    return [
        {"case": f"{old} to {new}", **_consistency(old, new)} for new in range(9) for old in range(new + 1)
    ]


def consistency_fail() -> list[dict[str, Any]]:
    """What must be refused."""
    good = _consistency(3, 7)
    proof = good["proof"]
    changes: dict[str, dict[str, Any]] = {
        "another old root": {"old_root": CT_ROOTS[4]},
        "another new root": {"new_root": CT_ROOTS[8]},
        "another old size": {"old_size": 2},
        "another new size": {"new_size": 9},
        "a tree that shrank": {
            "old_size": 7,
            "old_root": CT_ROOTS[7],
            "new_size": 3,
            "new_root": CT_ROOTS[3],
        },
        "the same size with another root": {"old_size": 7, "old_root": CT_ROOTS[6], "proof": []},
        "the same size with hashes": {"old_size": 7, "old_root": CT_ROOTS[7]},
        "an empty tree with a root that isn't": {"old_size": 0, "old_root": CT_ROOTS[1], "proof": []},
        "from an empty tree with hashes": {"old_size": 0, "old_root": CT_ROOTS[0]},
        "a flipped bit in a hash": {"proof": [_flip(proof[0]), *proof[1:]]},
        "a hash left out": {"proof": proof[:-1]},
        "a hash too many": {"proof": [*proof, proof[0]]},
        "hashes in another order": {"proof": proof[::-1]},
        "no hashes": {"proof": []},
        "a full subtree's root given twice": {
            **_consistency(4, 7),
            "proof": [CT_ROOTS[4], *_consistency(4, 7)["proof"]],
        },
    }
    return [{"case": case, **(good | change)} for case, change in changes.items()]


def _signed(size: int, *signers: NoteSigner) -> str:
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=bytes.fromhex(CT_ROOTS[size]))
    return sign_checkpoint(checkpoint, *signers).decode()


def checkpoint() -> dict[str, Any]:
    """Signed checkpoints, and a receipt, for one key."""
    receipt = Receipt(
        index=3, proof=tuple(make_inclusion_proof(3, 7, _SUBTREE)), checkpoint=_signed(7, KEY).encode()
    )
    return {
        "origin": ORIGIN,
        "private_key_seed": SEED.hex(),
        "vkey": KEY.vkey,
        "cases": [
            {"case": f"size {size}", "size": size, "root": CT_ROOTS[size], "note": _signed(size, KEY)}
            for size in (0, 1, 8)
        ]
        + [
            {
                "case": "a second, unknown signer",
                "size": 7,
                "root": CT_ROOTS[7],
                "note": _signed(7, OTHER, KEY),
            }
        ],
        "receipt": {"entry": CT_INPUTS[3], "index": 3, "receipt": receipt.encode().decode()},
    }


def checkpoint_fail() -> dict[str, Any]:
    """What must be refused, for the same key and origin."""
    good = _signed(7, KEY)
    body, _, signature = good.partition("\n\n")
    bad_line = f"— {ORIGIN} {encode_base64(KEY.key.key_id + bytes(64))}\n"
    notes = {
        "another size": good.replace("\n7\n", "\n8\n"),
        "another root": good.replace(body.split("\n")[2], encode_base64(bytes.fromhex(CT_ROOTS[8]))),
        "another origin": good.replace(f"{ORIGIN}\n7", "halden.example/gateway-2\n7"),
        "signed by another key of the same name": _signed(7, OTHER),
        "a good and a bad signature of the key": good + bad_line,
        "no signature": body + "\n\n",
        "a leading zero": sign_text(f"{ORIGIN}\n07\n{body.split(chr(10))[2]}\n"),
        "a root of 31 bytes": sign_text(f"{ORIGIN}\n7\n{encode_base64(bytes(31))}\n"),
        "two lines": sign_text(f"{ORIGIN}\n7\n"),
        "carriage returns": good.replace("\n", "\r\n"),
        "no newline at the end": good[:-1],
        "a hyphen for the dash": f"{body}\n\n-{signature[1:]}",
    }
    return {
        "origin": ORIGIN,
        "vkey": KEY.vkey,
        "cases": [{"case": case, "note": note} for case, note in notes.items()],
    }


def sign_text(text: str) -> str:
    """A note with this text and a right signature, whatever the text is."""
    signature = encode_base64(KEY.key.key_id + KEY.sign(text.encode()))
    return f"{text}\n— {ORIGIN} {signature}\n"


def segment() -> dict[str, Any]:
    """One segment of two records, and where tiles lie."""
    header = SegmentHeader(
        marker=bytes(range(8)), first_index=0, chain=first_chain(ORIGIN), origin=ORIGIN
    ).encode()
    first = encode_record(bytes(range(8)), 0, [b"one", b"two"], first_chain(ORIGIN))
    second = encode_record(bytes(range(8)), 2, [b"three"], sha256(first).digest())
    return {
        "origin": ORIGIN,
        "first_chain": first_chain(ORIGIN).hex(),
        "name": "0000000000000000.seg",
        "entries": ["one", "two", "three"],
        "header": header.hex(),
        "records": [first.hex(), second.hex()],
        "chain": sha256(second).hexdigest(),
        "root": tree_root([b"one", b"two", b"three"]).hex(),
        "tile_paths": [
            {"level": "entries" if level == ENTRIES else level, "index": index, "width": width, "path": path}
            for level, index, width, path in (
                (level, index, width, tile_path(level, index, width))
                for level, index, width in ((0, 0, 256), (ENTRIES, 5, 255), (0, 1234067, 256), (3, 1000, 1))
            )
        ],
    }


VECTORS = {
    "tree.json": tree,
    "inclusion.json": inclusion,
    "inclusion_fail.json": inclusion_fail,
    "consistency.json": consistency,
    "consistency_fail.json": consistency_fail,
    "checkpoint.json": checkpoint,
    "checkpoint_fail.json": checkpoint_fail,
    "segment.json": segment,
}


def render(name: str) -> str:
    """The content of one file."""
    return json.dumps(VECTORS[name](), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all files."""
    for name in VECTORS:
        (FOLDER / name).write_text(render(name), encoding="utf-8")


if __name__ == "__main__":
    main()
