"""Errors a reader is meant to see: one line, which names the input and the remedy."""


class BookError(Exception):
    """An error whose message is the whole story; notebooks show the line, not the traceback."""

    code: int | None = None  # with which the command line ends; None: that of a command that is refused

    def _render_traceback_(self) -> list[str]:
        # IPython calls this instead of formatting forty lines of frames.
        return [f"{type(self).__name__}: {self}"]


class Failed(BookError):
    """What was begun did not come to its end."""

    code = 1


class Interrupted(BookError):
    """The user has stopped it."""

    code = 130
