"""What the provider does: one function for each operation, from a guarded call to an answer.

None of them awaits: what an operation changes and the answer that is kept for it are one step.
"""
