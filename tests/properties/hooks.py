"""Cursors are opaque: what the document says of them fits many texts, of which only the server's own are taken.

They are left out of the requests that are made to be good; `api_lists` tests good and bad ones.
"""
import schemathesis


@schemathesis.hook
def map_query(context, query):
    if query is not None:
        query.pop("cursor", None)
    return query
