"""How the champion does: drift, performance, its estimate without labels, and what a fresh model would gain."""
