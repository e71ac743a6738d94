"""What models are judged by: metrics by name, losses a row, and how sure a metric is."""
