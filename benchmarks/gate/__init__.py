"""Whether what the gate says of a challenger is what then happens: predicted and realised differences on streams."""
