"""What was tried for the decisions and is not in the product: each measured against what the product does."""
