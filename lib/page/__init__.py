"""The desk: what a chapter calls to speak to its reader."""
