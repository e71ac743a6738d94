"""One story told to a daemon again and again, with other kills and faults each time, and always the same end."""
