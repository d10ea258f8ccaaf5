"""The command line of `python -m trainer`: flags in, one function of the trainer called, sentences out."""
