"""A plan carried out by workers on any number of machines, over a queue in PostgreSQL.

What makes a task exactly once is the engine's `run_job`, as on one machine; the queue only says who works on what.
"""
