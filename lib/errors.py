"""Errors a reader is meant to see: one line, which names the input and the remedy."""


class BookError(Exception):
    """An error whose message is the whole story; notebooks show the line, not the traceback."""

    code: int | None = None  # with which the command line ends; None: that of a command that is refused

    def _render_traceback_(self) -> list[str]:
        # IPython calls this instead of formatting forty lines of frames.
        return [f"{type(self).__name__}: {self}"]


def first_line(text, nothing: str = "no reason given") -> str:
    """Of what somebody said, or of an error."""
    return (str(text).strip().splitlines() or [nothing])[0].strip()


def last_line(text: str, nothing: str = "no reason given") -> str:
    return (text.strip().splitlines() or [nothing])[-1].strip()


class Failed(BookError):
    """What was begun did not come to its end."""

    code = 1


class Interrupted(BookError):
    """The user has stopped it."""

    code = 130
