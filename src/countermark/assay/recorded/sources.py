"""Every source of records, by name, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from countermark.assay.measured import Source
from countermark.assay.recorded import (
    adaptive_attacks,
    agentdojo,
    camel,
    jailbreakbench,
    obedient,
    openagentsafety,
    satml_ctf,
    xstest,
)
from countermark.errors import TableError

SOURCES: Mapping[str, Callable[[], Source]] = {
    jailbreakbench.NAME: jailbreakbench.source,
    adaptive_attacks.NAME: adaptive_attacks.source,
    agentdojo.NAME: agentdojo.source,
    obedient.NAME: obedient.source,
    satml_ctf.NAME: satml_ctf.source,
    camel.NAME: camel.source,
    xstest.NAME: xstest.source,
    openagentsafety.NAME: openagentsafety.source,
}


def recorded(name: str | None = None) -> tuple[Source, ...]:
    """What one source shows, or all of them.

    Raises:
        TableError: No source of that name, or a table that isn't what the manifest says.
    """
    if name is None:
        return tuple(make() for make in SOURCES.values())
    if name not in SOURCES:
        raise TableError(f"expected one of the sources {', '.join(SOURCES)}, got `{name:.40}`")
    return (SOURCES[name](),)
