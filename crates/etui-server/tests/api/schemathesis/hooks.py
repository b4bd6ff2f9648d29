"""What Schemathesis cannot make by itself, or makes in a form that no client sends."""

import json

import schemathesis


@schemathesis.serializer("application/cbor-seq")
def frames(ctx, value):
    """Some bytes: whatever was made up, as text."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.hook
def map_body(ctx, body):
    """Whole numbers are sent as such, and not as 4650.0."""
    return whole(body)


def whole(value):
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    return value
