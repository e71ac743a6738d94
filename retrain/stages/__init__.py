"""The stages of a cycle, prepare → train → evaluate → promote: they never import each other."""
