"""The press: executes the chapters, keeps what was run, builds the site. Nobody needs it to do physics."""
