"""What `policy check` says: where, how bad, what is wrong, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from countermark.errors import BundleError


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """The bundle may not be put in force so."""
    WARNING = "warning"
    """Probably not what was meant."""
    NOTE = "note"
    """Worth knowing before signing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding, at a line of a file of the bundle."""

    file: str
    line: int
    severity: Severity
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.severity}: {self.message}; {self.fix}"


def finding_of(error: BundleError) -> Finding:
    """The finding that an error of reading makes."""
    return Finding(
        file=error.file, line=error.line, severity=Severity.ERROR, message=error.message, fix=error.fix
    )
