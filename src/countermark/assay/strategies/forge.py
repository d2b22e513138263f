"""Puts statements on file that nobody made who may: the envelope is sound, the signatures are not those that it needs.

Their signers are a stranger under the officers' key ids, the asking system itself, and the officers' true signatures, taken
off another statement. They are about a system of their own (`spare`), so that one that were believed would tell.
"""

from __future__ import annotations

from countermark.assay.strategies.asking import ask, attempt, reworded, workload
from countermark.assay.strategies.statements import (
    POLICY,
    RECORDS,
    SUBMITTER,
    Said,
    countersigned,
    lies,
    naming,
    signed_file,
    stated,
    truths,
    under_names,
)
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.keys import derive_key
from countermark.assay.worlds.scene import Scene
from countermark.attestation.envelope import Envelope, encode_lines, sign_envelope
from countermark.attestation.statement import Statement

_STRANGERS = ("stranger/1", "stranger/2")


def _by_stranger(scene: Scene, statement: Statement) -> bytes:
    seed = scene.seed
    maker, other = (derive_key(seed, name) for name in _STRANGERS)
    made = under_names(sign_envelope(statement.payload, maker), [RECORDS], seed)
    counter = under_names(sign_envelope(countersigned(statement).payload, other), [POLICY], seed)
    return encode_lines([made, counter])


def _by_asker(scene: Scene, statement: Statement) -> bytes:
    key = derive_key(scene.seed, f"workload/{workload(scene, 'spare')}")
    return signed_file(statement, key, key)


def _transplanted(scene: Scene, statement: Statement) -> bytes:
    true = stated(scene, _true_like(scene, statement), seq=1)
    lines = []
    for name, signed, false in (
        (RECORDS, true, statement),
        (POLICY, countersigned(true), countersigned(statement)),
    ):
        genuine = sign_envelope(signed.payload, derive_key(scene.seed, name))
        lines.append(
            Envelope(payload=false.payload, payload_type=genuine.payload_type, signatures=genuine.signatures)
        )
    return encode_lines(lines)


def _true_like(scene: Scene, statement: Statement) -> Said:
    """A true statement of the same kind about the same system; its deployment's where there is none of that kind."""
    known = truths(scene, "spare")
    return next((said for said in known if said.kind == statement.predicate_type), known[0])


_SIGNERS = {
    "stranger-under-their-key-ids": _by_stranger,
    "asker-for-himself": _by_asker,
    "signatures-of-another-statement": _transplanted,
}


def _tries(scene: Scene) -> tuple[Try, ...]:
    _, text = reworded(scene)[0]
    # each with a number of its own: nobody may say that a file was refused since one of that digest is known
    tries = []
    for seq, (name, sign) in enumerate(_SIGNERS.items(), start=2):
        made = [stated(scene, said, seq=seq) for said in lies(scene, "spare")]
        tries.append(
            attempt(
                name,
                scene,
                ask(scene, text, role="spare", headers=naming(made)),
                roles=("spare",),
                submits=tuple(sign(scene, statement) for statement in made),
                submitted_by=SUBMITTER,
            )
        )
    return tuple(tries)


STRATEGY = Strategy(
    name="forge",
    title="puts forged statements on file, and names them",
    aims_at="verification of who signed, and whether he may",
    family="evidence",
    author=Author.AUTOMATED,
    cost=Cost.WORDS,
    access="its own system's credential, true statements to copy signatures from; no key of the trust root",
    liars=0,
    tries=_tries,
    needs=("spare",),
)
