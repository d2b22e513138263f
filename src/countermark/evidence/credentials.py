"""Which workload a presented credential stands for. One credential names one workload, or it names none.

An API key is found by its SHA-256, so the index holds no secret; keys have to be random (128 bits or more), since a
digest of a guessable key can be tried out. A request that is signed is found by the key's id, and is believed only
after `possession.verify_possession`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from countermark.attestation.trust_root import TrustRoot
from countermark.attestation.verify import VerifiedStatement
from countermark.errors import CountermarkError, CredentialError
from countermark.evidence.observation import KnownCredential
from countermark.evidence.predicates.credential import Credential, parse_credential
from countermark.evidence.predicates.reading import subject_name
from countermark.evidence.standing import STATUS, Ignored, distinct, fresh_until, in_time, newest

KIND = "credential"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    statement: VerifiedStatement
    parsed: Credential

    @property
    def secret(self) -> str:
        return _secret(self.parsed)


def _secret(credential: Credential) -> str:
    """What a request is matched with: the digest of an API key, or a key's id; the prefix keeps both apart."""
    return (
        f"key:{credential.public.keyid}" if credential.public is not None else f"api-key:{credential.sha256}"
    )


class CredentialIndex:
    """Credentials on file under one trust root, found by what a caller presents.

    Only credentials count that a role of the workload's own party made. `ignored` says why others don't.
    """

    def __init__(self, statements: Iterable[VerifiedStatement], *, root: TrustRoot, skew_s: int = 60) -> None:
        self._root = root
        self._skew_s = skew_s
        self._by_secret: dict[str, list[_Named]] = {}
        # By party as well: two parties may both have a credential `office-1`.
        self._by_subject: dict[tuple[str, str], list[VerifiedStatement]] = {}
        self._readable: set[str] = set()
        self._secret_of: dict[str, str] = {}
        self._statuses: dict[str, list[VerifiedStatement]] = {}
        ignored: list[Ignored] = []
        for statement in distinct(statements):
            if statement.kind == STATUS:
                self._statuses.setdefault(str(statement.descriptor.get("statement")), []).append(statement)
            elif statement.kind == KIND:
                try:
                    parsed = self._read(statement)
                except CountermarkError as error:
                    ignored.append(
                        Ignored(
                            statement=statement.sha256,
                            kind=KIND,
                            name=statement.subject.name,
                            reason=str(error),
                        )
                    )
                else:
                    self._readable.add(statement.sha256)
                    self._secret_of[statement.sha256] = _secret(parsed)
                    self._by_secret.setdefault(_secret(parsed), []).append(
                        _Named(statement=statement, parsed=parsed)
                    )
                # also what can't be read: it is its makers' last word, and what it replaces must not come back
                for party in {signer.party for signer in statement.makers}:
                    self._by_subject.setdefault((party, statement.subject.sha256), []).append(statement)
        self.ignored: tuple[Ignored, ...] = tuple(sorted(ignored, key=lambda item: item.statement))

    @staticmethod
    def _read(statement: VerifiedStatement) -> Credential:
        parsed = parse_credential(statement.predicate)
        party = parsed.workload.partition("/")[0]
        if party not in {signer.party for signer in statement.makers}:
            raise CredentialError(f"expected a credential for `{parsed.workload}` made by party `{party}`")
        if statement.subject.name != subject_name(parsed):
            raise CredentialError(
                f"expected the subject name `{parsed.workload}`, got `{statement.subject.name:.80}`"
            )
        return parsed

    def by_api_key(self, api_key: str, now: datetime) -> KnownCredential:
        """Find the credential of a presented API key.

        Raises:
            CredentialError: Unknown, lapsed, replaced, or in dispute.
        """
        # The lookup is by digest: what its timing could tell is about digests, from which no key can be made.
        digest = hashlib.sha256(api_key.encode("utf-8", "surrogatepass")).hexdigest()
        return self._find(f"api-key:{digest}", now)

    def by_key_id(self, keyid: str, now: datetime) -> KnownCredential:
        """Find the credential of a key; its `public` has still to verify the request.

        Raises:
            CredentialError: Unknown, lapsed, replaced, or in dispute.
        """
        return self._find(f"key:{keyid}", now)

    def by_statement(self, sha256: str, now: datetime) -> KnownCredential:
        """Find a credential by the statement that it rests on: for who has looked it up before, or replays a log.

        Raises:
            CredentialError: Unknown, lapsed, replaced, or in dispute.
        """
        secret = self._secret_of.get(sha256)
        if secret is None:
            raise CredentialError(f"expected the credential of statement `{sha256[:16]}` on file, got none")
        found = self._find(secret, now)
        if found.statement != sha256:
            raise CredentialError(
                f"expected the credential of statement `{sha256[:16]}`, got that of `{found.statement[:16]}`"
            )
        return found

    def _find(self, secret: str, now: datetime) -> KnownCredential:
        standing = [
            (named, until)
            for named in self._by_secret.get(secret, ())
            if (until := self._stands_until(named, now)) is not None
        ]
        if not standing:
            raise CredentialError("expected a credential on file and in force, got an unknown one")
        workloads = {named.parsed.workload for named, _ in standing}
        if len(workloads) > 1:
            raise CredentialError(
                "expected a credential of one workload, got one that names several: none counts"
            )
        first = min((named for named, _ in standing), key=lambda named: named.statement.sha256)
        return KnownCredential(
            name=first.parsed.name,
            statement=first.statement.sha256,
            workload=first.parsed.workload,
            # under two names the stricter reading of both: more requesters, fewer rights
            holders=frozenset(holder for named, _ in standing for holder in named.parsed.holders),
            may_explain=all(named.parsed.may_explain for named, _ in standing),
            public=first.parsed.public,
            valid_until=min(until for _, until in standing),
        )

    def _stands_until(self, named: _Named, now: datetime) -> datetime | None:
        """Until when a credential may be used; None where it may not at `now`.

        Raises:
            CredentialError: Statements in force about the same name disagree.
        """
        subject = (named.parsed.workload.partition("/")[0], named.statement.subject.sha256)
        rivals, _ = in_time(self._by_subject[subject], now=now, skew_s=self._skew_s)
        counting, _ = newest(rivals)
        if named.statement not in counting:
            return None
        for other in counting:
            if other.sha256 in self._readable and _content(other) != _content(named.statement):
                raise CredentialError(
                    f"expected one content of credential `{named.parsed.name}`, got statements that disagree"
                )
        until = named.statement.validity.valid_until
        max_age_s = self._root.status_max_age_s(KIND)
        if max_age_s is not None:
            statuses, _ = in_time(
                self._statuses.get(named.statement.sha256, ()), now=now, skew_s=self._skew_s
            )
            fresh = fresh_until(named.statement, statuses, max_age_s)
            if fresh is None or fresh <= now:
                return None
            until = min(until, fresh)
        return until


def _content(statement: VerifiedStatement) -> dict[str, object]:
    return {
        name: statement.predicate.get(name)
        for name in ("workload", "kind", "sha256", "public", "holders", "may_explain")
    }
