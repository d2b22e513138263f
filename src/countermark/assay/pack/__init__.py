"""Exams that somebody else wrote: goals, papers and an attacker's script; sealed before the run, counted when it is opened.

Answers for what is handed over and what stays with the author (`cases.py`, `truth.py`, `sealed.py`), for the script and
what it may do (`script.py`, `confine.py`, `play.py`), and for the count (`score.py`). Stacks are started elsewhere.
"""
