"""Requests to a service on this machine: patient, for the machine may be busy, and without certificates to check others
with, whose reading costs more than all the rest of a request."""

import ssl
from functools import partial

import httpx
from helpers import PATIENCE_S

_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody; read once."""
Client = partial(httpx.Client, verify=_NOBODY, timeout=PATIENCE_S)
AsyncClient = partial(httpx.AsyncClient, verify=_NOBODY, timeout=PATIENCE_S)
request = partial(httpx.request, verify=_NOBODY, timeout=PATIENCE_S)
stream = partial(httpx.stream, verify=_NOBODY, timeout=PATIENCE_S)
get, post, put = (partial(one, verify=_NOBODY, timeout=PATIENCE_S) for one in (httpx.get, httpx.post, httpx.put))
