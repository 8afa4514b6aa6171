"""What `schemas/` says, as values: operations, conditions, rules, prices, outputs, the second standard."""
