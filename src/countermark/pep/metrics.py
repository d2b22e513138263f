"""Counters that Prometheus reads. Labels come from bounded sets: actions, outcomes, reasons; never a caller's text."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest


class Metrics:
    """One gateway's counters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._decision_children: dict[tuple[str, str, str], Counter] = {}
        self.decisions = Counter(
            "countermark_decisions_total",
            "Decisions that are durable in the log",
            ["action", "outcome", "enforced"],
            registry=self.registry,
        )
        self.refused = Counter(
            "countermark_refused_total",
            "Requests that got no decision: unknown callers, what can't be parsed, internal failures",
            ["reason"],
            registry=self.registry,
        )
        self.upstream = Counter(
            "countermark_upstream_answers_total",
            "What came back from upstreams",
            ["result"],
            registry=self.registry,
        )
        self.under_way = Gauge(
            "countermark_requests_under_way", "Requests being answered now", registry=self.registry
        )
        self.decision_seconds = Histogram(
            "countermark_decision_seconds",
            "From a request's last byte to its durable decision",
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5),
            registry=self.registry,
        )
        self.expiring = Gauge(
            "countermark_evidence_expiring",
            "Statements, bundle approval and trust root that end within a week",
            registry=self.registry,
        )
        self.log_size = Gauge("countermark_log_entries", "Durable entries of the log", registry=self.registry)

    def count_decision(self, action: str, outcome: str, enforced: str) -> None:
        """Count one decision that is durable."""
        key = (action, outcome, enforced)
        child = self._decision_children.get(key)
        if child is None:
            child = self._decision_children[key] = self.decisions.labels(*key)
        child.inc()

    def exposition(self) -> bytes:
        """All counters in Prometheus' text format."""
        return generate_latest(self.registry)
