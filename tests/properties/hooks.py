"""Cursors are opaque: what the document says of them fits many texts, of which only the server's own are taken.

A cursor that fits the document is left out of a request before it is sent, so that the request is as good as it was meant
to be; one that does not fit stays, and must be refused. `api_lists` tests good and bad ones.
"""
import re

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    cursor = (case.query or {}).get("cursor")
    if isinstance(cursor, str) and re.fullmatch(r"[A-Za-z0-9_-]+", cursor):
        del case.query["cursor"]
