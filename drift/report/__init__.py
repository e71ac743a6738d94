"""Pages of results for people: plain values in, HTML text and SVG out. No files, no network, no script."""
