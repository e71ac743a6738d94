"""What the analyst made gets its lasting place."""

from pathlib import Path

from retrain import durable


def publish_made(made: Path, final: Path, point: str) -> Path:
    """Publish a file that the analyst made; where that fails, nothing of it stays."""
    try:
        durable.publish_file(made, final, point)
    except OSError:
        made.unlink(missing_ok=True)
        raise
    return final
