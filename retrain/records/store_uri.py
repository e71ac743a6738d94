"""The URI of an object store or of a prefix in one; pure."""

from urllib.parse import urlsplit

SCHEMES = ("s3",)
EXPECTED = "expected s3://BUCKET or s3://BUCKET/PREFIX"


def is_uri(text: str) -> bool:
    """Whether a text is meant as a URI, and not as a folder.

    >>> is_uri("s3://models/driftd"), is_uri("data/churn"), is_uri("C:/data")
    (True, False, False)
    """
    return "://" in text


def why_no_store(uri: str, key: str = "store") -> str | None:
    """What is wrong with a URI, the value of a key; None where nothing is.

    >>> why_no_store("s3://models/driftd"), why_no_store("/mnt/models")
    (None, 'store is no URI of an object store; expected s3://BUCKET or s3://BUCKET/PREFIX')
    >>> why_no_store("s3://lake/a//b", "data_dir")
    'data_dir has a part without a name, "." or ".."; expected s3://BUCKET or s3://BUCKET/PREFIX'
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        return f"{key} cannot be read; {EXPECTED}"
    if parts.scheme not in SCHEMES or not parts.netloc:
        return f"{key} is no URI of an object store; {EXPECTED}"
    if "@" in parts.netloc or parts.query or parts.fragment:
        return f"{key} has more than a bucket and a prefix; {EXPECTED}"
    if any(part in ("", ".", "..") for part in parts.path.strip("/").split("/")) and parts.path.strip("/"):
        return f'{key} has a part without a name, "." or ".."; {EXPECTED}'
    return None
