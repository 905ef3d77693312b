"""Tests. A package, so that `-p tests.verdicts` finds this one whatever else is installed under that name."""
