"""What leaving out a clause can't change need not be asked again.

A clause that forbids takes part in a decision only where its condition applies, and every forbid that applies is named in the
decision; where people signed on the way, so are those that held it before. So a try whose worst answer does not name the clause
comes out the same without it; the others are asked anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from countermark.assay.campaign.door import StackSpec
from countermark.assay.campaign.plan import MAIN
from countermark.assay.campaign.rows import CampaignRow, RowFile
from countermark.assay.campaign.run import Job

AS_MAIN = f"as on {MAIN}: the clause had no part in it"


def reuse_rows(spec: StackSpec, jobs: Iterable[Job], rows: RowFile) -> Sequence[Job]:
    """Copy the rows that the stack's clauses had no part in from the whole, and say which jobs are left.

    Args:
        rows: With every row of the whole.
    """
    whole = {row.key[1:]: row for row in rows.rows if row.stack == MAIN}
    left = []
    for job in jobs:
        key = job.key(spec.name)
        if key in rows:
            continue
        row: CampaignRow | None = whole.get(key[1:])
        if row is None or set(row.clauses) & set(spec.without):
            left.append(job)
        else:
            rows.append(replace(row, stack=spec.name, decision="", why=AS_MAIN))
    return left
