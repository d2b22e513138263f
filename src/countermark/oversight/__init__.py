"""People in the loop: what is held, what exactly they sign, and whose signatures count.

`action` describes one action so that it can be signed; `hold` is a request that waits for people, `sealing` keeps its
content encrypted meanwhile; `words` says what is being signed; `approval` counts signatures. Whether a request has to
wait is decided by clauses (`policy`, `pdp`); when approvals are consumed is decided by the log entry (`pdp`).
"""
