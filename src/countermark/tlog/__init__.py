"""The transparency log: opaque entries, appended durably, under signed checkpoints that anybody can check offline.

Answers for hashing (`tree`), proofs (`proof`, `receipt`), signed notes and checkpoints (`note`, `checkpoint`), the
files of a log (`segment`, `tiles`), its one writer (`writer`), readers (`reader`) and auditors (`verify`). `log.Log` is
what other parts depend on. All of these take an entry as opaque bytes; `entry` says what a gateway writes into one.
Witnessing is left to a part of its own. The format is `spec/log.md`.
"""
