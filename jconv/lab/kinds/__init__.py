"""The kinds of experiment, one file each."""
