"""How often a drop of performance is told where there is none, and how often where one was planted."""
