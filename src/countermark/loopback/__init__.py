"""Upstream models that are played, for demo, assay, tests and benchmarks.

A loopback speaks OpenAI Chat Completions and Anthropic Messages and answers from the request alone, so that the same
request gets the same bytes and a test can compare what came through a gateway with the direct answer. It can misbehave
on demand (`misbehaviour.py`) and tells what reached it (`GET /loopback/received`). It decides nothing and protects
nothing; `refusal.py` plays a model that refuses by wording, which is the layer that the demo compares with.
"""
