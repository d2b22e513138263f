"""Deployments that are generated and started, for the demo and the assay: what people would do in weeks, in seconds.

`cast.py` says which parties and persons there are and what they may say; `maker.py` signs what they sign; `world.py` makes
a campaign's world; `terms.py` derives a bundle with a mechanism switched off; `running.py` starts a stack in that world,
with `people.py`, who sign, and `tampering.py`, for a runner who cheats. What is decided, and how well it holds, is said
elsewhere: `app.py` and `assay/`.
"""
