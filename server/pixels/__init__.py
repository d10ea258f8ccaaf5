"""Samples of a picture: layouts, depths, transparency, transfer curve, colour. numpy only; no files, no device."""
