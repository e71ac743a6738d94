"""The systemd units: `render` fills the templates of this folder in, `place` puts them where systemd looks."""
