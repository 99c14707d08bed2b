"""What @ID@ does."""


def answer(path: str) -> tuple[int, bytes]:
    """The status and body for a request."""
    if path == "/health":
        return 200, b"ok\n"
    return 404, b"not found\n"
