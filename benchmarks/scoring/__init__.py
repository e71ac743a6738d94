"""What it costs to answer a million rows of a file, beside a loop that reads it with pandas."""
