"""The assay's own log, in the result's folder: the plan's digest first, the result's digest last.

Whoever is shown a result can check offline that the plan was there before it, and that nothing was put in between.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from countermark.assay.campaign.plan import digest_of
from countermark.attestation.canonical import canonical_json
from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import make_statement
from countermark.clock import format_time
from countermark.errors import CampaignError
from countermark.tlog.note import NoteSigner
from countermark.tlog.reader import LogReader
from countermark.tlog.writer import LogWriter

ORIGIN = "countermark.example/assay"
PLAN, RESULT = "assay-plan", "assay-result"
KEY_FILE = "assay.pem"


def refuse_links(folder: Path) -> None:
    """A folder that somebody handed over may hold links: what is written to a result's name would land elsewhere.

    Raises:
        CampaignError: Something in it is one.
    """
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    for each in (*inside, folder / "keys" / KEY_FILE):
        if each.is_symlink():
            raise CampaignError(
                f"expected files and folders in `{folder}`, got the link `{each.name[:60]}` to elsewhere"
            )


class Journal:
    """Log and key of one result folder.

    Args:
        folder: Of the result; the key is made in `keys/` where it isn't there.

    Raises:
        CampaignError: Something in the folder is a link to elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        refuse_links(folder)
        keys = folder / "keys"
        keys.mkdir(parents=True, exist_ok=True)
        keys.chmod(0o700)
        path = keys / KEY_FILE
        if not path.exists():
            PrivateKey.generate().save(path)
        self.key = PrivateKey.load(path)
        self.signer = NoteSigner(name=ORIGIN, sign=self.key.sign, public=self.key.public.public)
        (folder / "log.vkey").write_text(f"{self.signer.vkey}\n", encoding="utf-8")

    @property
    def vkey(self) -> str:
        """What a verifier of the log is handed."""
        return self.signer.vkey

    def entries(self) -> list[Mapping[str, Any]]:
        """Every entry so far, oldest first."""
        if not (self._folder / "log" / "checkpoint").exists():
            return []
        reader = LogReader(self._folder / "log", keys=[self.signer.key])
        return [json.loads(data) for _, data in reader]

    def append(self, entry: Mapping[str, Any]) -> int:
        """Write one entry; durable, and under a new checkpoint, when this returns its index."""
        with LogWriter(self._folder / "log", origin=ORIGIN, key=self.signer) as log:
            index = log.submit(canonical_json(dict(entry))).result()
            log.publish_checkpoint()
        return index

    def register(self, plan: Mapping[str, Any], *, now: datetime) -> str:
        """Put the plan's digest into the log before anything is measured, and the plan beside it.

        Returns:
            The plan's digest.

        Raises:
            CampaignError: The folder holds another campaign.
        """
        digest = digest_of(plan)
        known = [entry for entry in self.entries() if entry["kind"] == PLAN]
        if known and known[0]["sha256"] != digest:
            raise CampaignError(
                f"expected an empty folder or one of this plan, got the campaign {known[0]['sha256'][:12]} in "
                f"`{self._folder}`: choose another --out"
            )
        if not known:
            (self._folder / "plan.json").write_bytes(canonical_json(dict(plan)) + b"\n")
            self.append({"kind": PLAN, "sha256": digest, "at": format_time(now)})
        return digest

    def conclude(self, *, plan: str, result: bytes, rows: bytes, now: datetime) -> None:
        """Sign the result and put its digest into the log.

        Args:
            plan: The plan's digest.
            result: Bytes of `result.json`.
            rows: Bytes of `rows.jsonl`.

        Raises:
            CampaignError: There is a result on other rows already.
        """
        digests = {
            "result_sha256": hashlib.sha256(result).hexdigest(),
            "rows_sha256": hashlib.sha256(rows).hexdigest(),
        }
        latest = [entry for entry in self.entries() if entry["kind"] == RESULT]
        if latest and all(latest[-1][name] == value for name, value in digests.items()):
            return
        if latest and latest[-1]["rows_sha256"] != digests["rows_sha256"]:
            raise CampaignError(
                f"expected the rows that were counted before in `{self._folder}`, got others: choose another --out"
            )
        index = self.append({"kind": RESULT, "plan": plan, **digests, "at": format_time(now)})
        statement = make_statement(
            RESULT,
            f"assay/{plan[:12]}",
            {"plan": plan},
            {**digests, "log_origin": ORIGIN, "log_index": index},
            seq=index,
            valid_from=now,
            valid_until=now.replace(year=now.year + 10),
            basis="measured",
            interest="party",
        )
        signed = sign_envelope(statement.payload, self.key)
        (self._folder / "result.dsse.json").write_bytes(encode_envelope(signed))
