"""What people read: status, explain, and the pages of compare and replay."""
