"""The story, told with real processes: three fictional parties, a played model, the gateway, the official clients.

`world.py` makes keys, trust root, bundle and statements; `story.py` has the twelve requests and what is true of each;
`run.py` starts everything, asks, and prints what happened. Leaves the played model to `loopback/`.
"""
