"""What is remembered, and where: ledger, lock file, outputs, and the seam of all durable writes."""
