"""Errors a reader is meant to see: one line, which names the input and the remedy."""


class BookError(Exception):
    """An error whose message is the whole story; notebooks show the line, not the traceback."""

    def _render_traceback_(self) -> list[str]:
        # IPython calls this instead of formatting forty lines of frames.
        return [f"{type(self).__name__}: {self}"]
