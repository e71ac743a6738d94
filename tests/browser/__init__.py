"""The status page in a real Chromium: every view, every action, every state; `make browser`."""
