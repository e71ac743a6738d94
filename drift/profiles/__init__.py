"""What is kept of a column: mergeable summaries, counts of consecutive parts, and the reference made of them."""
