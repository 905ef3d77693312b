"""A Sphinx extension: pages that ask no other host for anything, whatever the extensions of jupyter-book bring."""


def setup(app) -> dict:
    """Called by Sphinx."""
    app.connect("html-page-context", _leave_out_thebe, priority=900)  # after those who add scripts
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _leave_out_thebe(app, pagename, templatename, context, doctree) -> None:
    """Drop the scripts of sphinx-thebe: they load from a CDN, and their constants, set twice, are an error."""
    for kind in ("script_files", "css_files"):
        context[kind] = [file for file in context.get(kind, ()) if not _of_thebe(file)]


def _of_thebe(file) -> bool:
    body = getattr(file, "attributes", {}).get("body") or ""
    return "thebe" in str(getattr(file, "filename", None) or file) or "THEBE" in body
