"""Writes spec/vectors/attestation/ from fixed seeds: `python tests/attestation/make_attestation_vectors.py`.

`test_attestation_vectors.py` checks that what lies there is what this writes, byte for byte.
"""

from __future__ import annotations

from pathlib import Path

from attestation_vector_form import Files, pretty
from attestation_vector_roots import roots, successors
from attestation_vector_statements import good_statements, refused_statements

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "attestation"


def published() -> dict[str, Files]:
    """DSSE's own example, protocol.md, "Test Vectors"."""
    x, y = (
        46950820868899156662930047687818585632848591499744589407958293238635476079160,
        5640078356564379163099075877009565129882514886557779369047442380624545832820,
    )
    envelope = {
        "payload": "aGVsbG8gd29ybGQ=",
        "payloadType": "http://example.com/HelloWorld",
        "signatures": [
            {
                "sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
            }
        ],
    }
    return {
        "dsse_hello_world": {
            "input.json": pretty(envelope),
            "expect.json": pretty(
                {
                    "claim": "DSSE's published example: the bytes that are signed, and its P-256 signature (r, s)",
                    "operation": "pae",
                    "pae": "DSSEv1 29 http://example.com/HelloWorld 11 hello world",
                    "p256_x": x.to_bytes(32, "big").hex(),
                    "p256_y": y.to_bytes(32, "big").hex(),
                }
            ),
        }
    }


def vectors() -> dict[str, bytes]:
    """Path below `VECTORS` to content."""
    cases = {**good_statements(), **roots(), **successors(), **published()}
    cases |= {f"{name}_fail": files for name, files in refused_statements().items()}
    return {f"{case}/{name}": data for case, files in cases.items() for name, data in files.items()}


def main() -> None:
    """Write all vectors, and remove files that are none of them any more."""
    wanted = vectors()
    for path in VECTORS.glob("*/*"):
        if path.relative_to(VECTORS).as_posix() not in wanted:
            path.unlink()
    for name, data in wanted.items():
        path = VECTORS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
