"""The exception tree. DENY is an answer; an exception means that no answer was reached, and a PEP treats it as DENY.

CountermarkError
├── MalformedError              bytes that are not what the format says
│   ├── TooLargeError           over a size, depth or count limit
│   ├── DuplicateKeyError       a JSON object names one key twice
│   ├── Base64Error             not canonical base64
│   ├── PayloadTypeError        an envelope, statement or predicate type that nobody here reads
│   └── NotCarriedError         well-formed, but a field or mode that this gateway does not carry
├── TrustError                  well-formed, but nobody who may say so vouches for it
│   ├── SignatureError          a signature that does not verify
│   ├── KeyTypeError            a key of a type that is not accepted here
│   ├── QuorumError             fewer distinct signers than needed
│   ├── RoleError               signed by somebody who may not make this statement about this subject
│   ├── SubjectError            the subject's digest is not that of the descriptor
│   ├── ExpiredError            its time has passed
│   ├── NotYetValidError        its time has not come
│   ├── LifetimeError           made to live longer than the bundle allows
│   ├── ReplayError             a proof or approval that was used before
│   └── CredentialError         an unknown caller, or a proof of possession that fails
├── PolicyError                 a bundle or clause that may not be put in force
│   ├── BundleError             a file of a bundle that is not what the format says; names file, line and what to write
│   └── EvaluationError         a decision could not be evaluated
├── LogError                    the log can't be read, written or believed
│   ├── ProofError              an inclusion or consistency proof that does not lead to its root
│   ├── CheckpointError         a checkpoint that does not verify
│   └── TamperedError           entries that don't match the checkpoint, or were rewritten
├── StoreError                  state could not be read or written
│   ├── HoldLimitError          a workload has as many open holds as it may have
│   ├── UnknownHoldError        no hold of that id is on file
│   ├── HoldClosedError         the hold was decided, or its time is over
│   └── SealError               held content that does not open: another key, or tampered with
├── UpstreamError               the model's server failed, hung or broke its own protocol
│   ├── UpstreamConnectError    it was not reached: nothing was sent
│   ├── UpstreamTimeoutError    it did not answer, or not go on, in time
│   ├── UpstreamProtocolError   it said something that HTTP, or this gateway, does not allow
│   └── UpstreamTooLargeError   its answer is over the size limit
├── AssayError                  a measurement that can't be made, or not be believed
│   ├── EstimateError           numbers that are no rate with an interval
│   ├── NothingMeasuredError    no unit was measured: an error, not a rate of 0
│   ├── OutcomesError           rows of outcomes that contradict each other, or what their source declares
│   ├── TableError              a recorded table is not what its manifest says
│   ├── ForeignLogError         another tool's log that can't be read, or doesn't say enough; the message says what to do
│   ├── ScenarioError           a scenario, pack or plan that can't be used; names the file and the entry
│   ├── CampaignError           a run of the assay that can't go on: a stack that isn't there, another plan
│   ├── VoidError               the controls don't score as known: nothing that was measured beside them counts
│   ├── HarnessError            a figure that can't be for such a layer: the measurement itself is wrong
│   ├── PooledError             one figure over unlike parts, without the parts
│   ├── WeakerAttackerError     a figure that rose because less was tried
│   ├── RequirementError        a requirement that can't be read; the message says what to write
│   ├── ReviewError             recorded reviews that are not what their format says
│   └── ExtraError              a package that an extra brings is not installed; the message says how to
├── StackError                  a generated deployment that can't be made or started; says where its own words are
├── SignalError                 a classifier that says nothing: not installed, not reached, or not understood
└── SettingsError               settings that can't be used; the message says what to write
"""

from __future__ import annotations


class CountermarkError(Exception):
    """Root of all errors of this package; its message is one line that says what to do."""


class MalformedError(CountermarkError):
    """Bytes that are not what the format says."""


class TooLargeError(MalformedError):
    """Over a size, depth or count limit."""


class DuplicateKeyError(MalformedError):
    """A JSON object names one key twice."""


class Base64Error(MalformedError):
    """Not canonical base64 (RFC 4648, section 3.5)."""


class PayloadTypeError(MalformedError):
    """An envelope, statement or predicate type that nobody here reads."""


class NotCarriedError(MalformedError):
    """Well-formed, but a field or mode that this gateway does not carry: a DENY that names it, once the caller is known.

    Attributes:
        field: Where it stands, in the words of `spec/fields.md` (`messages[user].content[file].file.file_id`).
        how: What the caller can send instead, or how the sides can allow it.
    """

    def __init__(self, field: str, how: str) -> None:
        super().__init__(f"`{field}` is not carried: {how}")
        self.field = field
        self.how = how


class TrustError(CountermarkError):
    """Well-formed, but nobody who may say so vouches for it."""


class SignatureError(TrustError):
    """A signature that does not verify."""


class KeyTypeError(TrustError):
    """A key of a type that is not accepted here."""


class QuorumError(TrustError):
    """Fewer distinct signers than needed."""


class RoleError(TrustError):
    """Signed by somebody who may not make this statement about this subject."""


class SubjectError(TrustError):
    """The subject's digest is not that of the descriptor."""


class ExpiredError(TrustError):
    """Its time has passed."""


class NotYetValidError(TrustError):
    """Its time has not come."""


class LifetimeError(TrustError):
    """Made to live longer than the bundle allows."""


class ReplayError(TrustError):
    """A proof or approval that was used before."""


class CredentialError(TrustError):
    """An unknown caller, or a proof of possession that fails."""


class PolicyError(CountermarkError):
    """A bundle or clause that may not be put in force."""


class BundleError(PolicyError):
    """A file of a bundle that is not what the format says; names file, line and what to write."""

    def __init__(self, *, file: str, line: int, message: str, fix: str) -> None:
        super().__init__(f"{file}:{line}: {message}; {fix}")
        self.file = file
        self.line = line
        self.message = message
        self.fix = fix


class EvaluationError(PolicyError):
    """A decision could not be evaluated; whoever catches it denies."""


class LogError(CountermarkError):
    """The log can't be read, written or believed."""


class ProofError(LogError):
    """An inclusion or consistency proof that does not lead to its root."""


class CheckpointError(LogError):
    """A checkpoint that does not verify."""


class TamperedError(LogError):
    """Entries that don't match the checkpoint, or were rewritten."""


class StoreError(CountermarkError):
    """State could not be read or written."""


class HoldLimitError(StoreError):
    """A workload has as many open holds as it may have."""


class UnknownHoldError(StoreError):
    """No hold of that id is on file."""


class HoldClosedError(StoreError):
    """The hold was decided, or its time is over: it takes no approval, and its content is gone."""


class SealError(StoreError):
    """Held content that does not open: another key, or tampered with."""


class UpstreamError(CountermarkError):
    """The model's server failed, hung or broke its own protocol.

    `kind` is one word for counters and for the caller (`connect`, `timeout`, `protocol`, `too-large`).
    """

    kind = "failed"


class UpstreamConnectError(UpstreamError):
    """The model's server was not reached, or is not the one that is expected: nothing was sent."""

    kind = "connect"


class UpstreamTimeoutError(UpstreamError):
    """The model's server did not answer, or did not go on, in time."""

    kind = "timeout"


class UpstreamProtocolError(UpstreamError):
    """The model's server said something that HTTP, or this gateway, does not allow."""

    kind = "protocol"


class UpstreamTooLargeError(UpstreamError):
    """The answer is over the size limit."""

    kind = "too-large"


class AssayError(CountermarkError):
    """A measurement that can't be made, or not be believed."""


class EstimateError(AssayError):
    """Numbers that are no rate with an interval."""


class NothingMeasuredError(AssayError):
    """No unit was measured: an error, not a rate of 0."""


class OutcomesError(AssayError):
    """Rows of outcomes that contradict each other, or what their source declares."""


class TableError(AssayError):
    """A recorded table is not what its manifest says."""


class ForeignLogError(AssayError):
    """Another tool's log that can't be read, or doesn't say enough; the message says what to do."""


class ScenarioError(AssayError):
    """A scenario, pack or plan that can't be used; the message names the file and the entry."""


class CampaignError(AssayError):
    """A run of the assay that can't go on: a stack that isn't there, a plan that is another one."""


class VoidError(AssayError):
    """The controls don't score as known: nothing that was measured beside them counts."""


class HarnessError(AssayError):
    """A figure that can't be for such a layer: the measurement itself is wrong."""


class PooledError(AssayError):
    """One figure over unlike parts, without the parts."""


class WeakerAttackerError(AssayError):
    """A figure that rose because less was tried."""


class RequirementError(AssayError):
    """A requirement that can't be read; the message says what to write."""


class ReviewError(AssayError):
    """Recorded reviews that are not what their format says."""


class ExtraError(AssayError):
    """A package that an extra brings is not installed; the message says how to install it."""


class StackError(CountermarkError):
    """A generated deployment that can't be made or started; the message says where its own words are."""


class SignalError(CountermarkError):
    """A classifier that says nothing: not installed, not reached, not in time, or not understood."""


class SettingsError(CountermarkError):
    """Settings that can't be used; the message says what to write."""
