"""The control process: per model an intake of files and a runner of cycles, and the server's supervisor."""
